import csv
import io
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from pipelines import cli
from pipelines.config import profile_names
from pipelines.store import Dataset
from tests.pipelines.tables_of import files_of
from tests.pipelines.tiny_source import write_source


class Said(NamedTuple):
    code: int
    out: str
    err: str


Hopyard = Callable[..., Said]


@pytest.fixture
def hopyard(capfd: pytest.CaptureFixture[str]) -> Hopyard:
    def call(*arguments: object) -> Said:
        capfd.readouterr()
        return Said(cli.run_command([str(argument) for argument in arguments]), *capfd.readouterr())

    return call


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profile") / "tiny.toml"
    path.write_text(
        "[synthesize]\nper_image = 2\noversample = 1.0\n[route]\nper_image = 2\nmin_support = 1\nmin_cell = 1\n"
    )
    return path


def test_run_prints_the_funnel_and_where_things_are(
    hopyard: Hopyard, tiny_source: tuple[Path, Path], profile: Path, tmp_path: Path
) -> None:
    images, annotations = tiny_source
    out = tmp_path / "out"
    command = ("run", images, "--annotations", annotations, "--profile", profile, "--out", out, "--no-server")
    said = hopyard(*command, "--workers", 1)
    assert said.code == 0, said.err
    assert said.out.splitlines()[0].split() == "stage unit in kept dropped failed seconds why dropped".split()
    for text in ("ingest", "certified questions", "in = kept + dropped + failed holds for all", f"{out}/release"):
        assert text in said.out
    picture = next(line.split()[-1] for line in said.out.splitlines() if line.startswith("look at"))
    assert Path(picture).read_bytes().startswith(b"\x89PNG")
    before = files_of(out)
    again = hopyard(*command)
    assert again.code == 0
    assert "nothing to do" in again.out
    assert files_of(out) == before
    other = hopyard(*command, "--seed", 5)
    assert other.code == 2
    assert "seed (0 there, 5 now)" in other.err


def refused(said: Said, *texts: str) -> None:
    """Checks that a command ended with one line of its own on standard error and nothing else."""
    assert said.code == 2, said
    assert said.out == ""
    assert said.err.startswith("hopyard: ")
    assert said.err.count("\n") == 1, said.err
    for text in texts:
        assert text in said.err


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (("run", "{tmp}/nowhere"), ["nowhere does not exist"]),
        (("run", "{tmp}/empty"), ["there is no image in"]),
        (("run", "{tmp}/no-images"), ["there is no image in"]),
        (("run", "{images}/picture-0000.png"), ["is a file; give the folder"]),
        (("run", "{images}"), ["give --annotations FILE"]),
        (("run", "{parent}"), ["perhaps --annotations", "instances.json"]),
        (("run", "{images}", "--annotations", "{tmp}/nothing.json"), ["nothing.json does not exist"]),
        (("run", "{images}", "--annotations", "{tmp}"), ["is not a file"]),
        (("run", "{images}", "--annotations", "{tmp}/text.json"), ["text.json is not JSON"]),
        (("run", "{images}", "--annotations", "{tmp}/list.json"), ["is not a COCO annotation file"]),
        (("run", "{images}", "--annotations", "{tmp}/other.json"), ["none of the 1 images", "strange.jpg"]),
        (("run", "{images}", "--annotations", "{coco}", "--out", "{tmp}/full"), ["not empty and not a dataset"]),
        (("run", "{images}", "--annotations", "{coco}", "--out", "{tmp}/full/mine.txt"), ["cannot write to"]),
        (("run", "{images}", "--annotations", "{coco}", "--out", "{tmp}/half"), ["dataset.json is damaged"]),
        (("run", "{images}", "--annotations", "{coco}", "--out", "/proc/hopyard"), ["cannot write to"]),
        (("run", "{images}", "--annotations", "{coco}", "--profile", "nope"), ["there is no profile nope", "default"]),
        (("run", "{images}", "--annotations", "{coco}", "--profile", "{tmp}/bad.toml"), ["synthesize.per_imag"]),
        (("run", "{images}", "--annotations", "{coco}", "--profile", "{tmp}/no.toml"), ["cannot be read"]),
        (("run", "{images}", "--annotations", "{coco}", "--limit", "0"), ["--limit is 0"]),
        (("run", "{images}", "--annotations", "{coco}", "--workers", "0"), ["--workers is 0"]),
        (("run", "{images}", "--annotations", "{coco}", "--shard-size", "-1"), ["--shard-size is -1"]),
        (("run", "{images}", "--annotations", "{coco}", "--per-image", "0"), ["--per-image is 0"]),
        (("run", "--annotations", "{coco}"), ["--annotations needs a SOURCE"]),
        (("run", "--seed", "many"), ["--seed"]),
        (("run", "{images}", "--annotations", "{coco}", "--seed", "9223372036854775808"), ["--seed is 9223372"]),
        (("run", "--colour", "red"), ["--colour"]),
        (("fly",), ["No such command", "fly"]),
        (("query",), ["DIR"]),
        (("query", "{tmp}/nowhere", "select 1"), ["does not exist"]),
        (("query", "{tmp}/full", "select 1"), ["is not a dataset"]),
        (("query", "{dataset}", "drop view images"), ["a query only reads"]),
        (("query", "{dataset}", "selec"), ["syntax error"]),
        (("why", "{dataset}", "nobody"), ["knows nothing with the id nobody"]),
        (("why", "{tmp}/nowhere", "x"), ["does not exist"]),
        (("verify", "{tmp}/full"), ["is not a dataset"]),
        (("show", "{tmp}/full"), ["is not a dataset"]),
        (("publish", "{tmp}/full"), ["is not a dataset"]),
        (("scenes", "--out", "{tmp}/scenes", "--count", "0"), ["--count is 0"]),
    ],
)
def test_every_mistake_is_one_clear_line(
    hopyard: Hopyard,
    tiny_source: tuple[Path, Path],
    finished: Dataset,
    tmp_path: Path,
    arguments: tuple[str, ...],
    texts: list[str],
) -> None:
    for folder in ("empty", "no-images", "full", "half"):
        (tmp_path / folder).mkdir()
    (tmp_path / "no-images" / "notes.txt").write_text("nothing to see")
    (tmp_path / "full" / "mine.txt").touch()
    (tmp_path / "half" / "dataset.json").write_text('{"format_vers')
    (tmp_path / "text.json").write_text("boxes: many")
    (tmp_path / "list.json").write_text("[]")
    categories = [{"id": 1, "name": "cup"}]
    (tmp_path / "other.json").write_text(
        json.dumps({"images": [{"id": 1, "file_name": "strange.jpg"}], "categories": categories, "annotations": []})
    )
    (tmp_path / "bad.toml").write_text("[synthesize]\nper_imag = 3\n")
    (tmp_path / "no.toml").write_text("[synthesize")
    places = {"images": tiny_source[0], "coco": tiny_source[1], "parent": tiny_source[0].parent}
    filled = [text.format(tmp=tmp_path, dataset=finished.root, **places) for text in arguments]
    if arguments[0] == "run":
        filled += [] if "--out" in filled else ["--out", str(tmp_path / "out")]
        filled += ["--no-server", *([] if "--workers" in filled else ["--workers", "1"])]
    refused(hopyard(*filled), *texts)
    if not (tmp_path / "other.json").samefile(filled[3] if len(filled) > 3 and Path(filled[3]).exists() else "/"):
        assert not (tmp_path / "out").exists()


def test_query_prints_tables_csv_and_json(hopyard: Hopyard, finished: Dataset) -> None:
    sql = "select uri, width, [1, 2] as list from images order by uri limit 2"
    table = hopyard("query", finished.root, sql).out.splitlines()
    assert table[0].split("\t") == ["uri", "width", "list"]
    rows = list(csv.DictReader(io.StringIO(hopyard("query", finished.root, sql, "--format", "csv").out)))
    assert [row["uri"] for row in rows] == ["picture-0000.png", "picture-0001.png"]
    lines = hopyard("query", finished.root, sql, "--format", "json").out.splitlines()
    assert json.loads(lines[0]) == {"uri": "picture-0000.png", "width": 192, "list": [1, 2]}


@pytest.mark.parametrize("text", ["cup [blue]", "[/b] x", "a[link=file:///etc]b", "[bold red]x"])
def test_a_table_on_a_terminal_shows_text_as_it_is(
    hopyard: Hopyard, finished: Dataset, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    said = hopyard("query", finished.root, f"select '{text}' as \"{text}\"")
    assert (said.code, said.out.count(text)) == (0, 2), said.err


@pytest.mark.parametrize("letter", ["\x1b", "\x9b", "\u202e", "\x00"])
def test_no_character_from_outside_moves_a_cursor(hopyard: Hopyard, finished: Dataset, letter: str) -> None:
    said = hopyard("query", finished.root, f"select 'cup' || chr({ord(letter)}) || '[2J'")
    wrong = hopyard("why", finished.root, f"cup{letter}[2J")
    assert said.code == 0 and wrong.code == 2
    assert letter not in said.out + wrong.err
    assert "cup\\" in said.out and "cup\\" in wrong.err


def test_json_loses_no_column_and_takes_every_key(hopyard: Hopyard, finished: Dataset) -> None:
    sql = "select 1 as a, 2 as a_1, 3 as a, [map {date '2024-01-02': 4}] as m"
    said = hopyard("query", finished.root, sql, "--format", "json")
    assert said.code == 0, said.err
    assert json.loads(said.out) == {"a": 1, "a_1": 2, "a_2": 3, "m": [{"2024-01-02": 4}]}
    assert "2024-01-02" in hopyard("query", finished.root, sql).out


def test_verify_says_what_it_recomputed(hopyard: Hopyard, finished: Dataset) -> None:
    said = hopyard("verify", finished.root)
    assert said.code == 0
    assert said.out.splitlines()[-1] == "0 mismatches"


def test_verify_ends_with_1_on_a_mismatch(hopyard: Hopyard, finished: Dataset, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(finished.root, tmp_path / "copy")
    (tmp_path / "copy" / finished.parts("questions")[0].path).write_bytes(b"PAR1")
    said = hopyard("verify", tmp_path / "copy")
    assert said.code == 1
    assert "mismatch: " in said.err


def test_why_tells_a_story(hopyard: Hopyard, finished: Dataset) -> None:
    assert "split" in hopyard("why", finished.root, "picture-0003.png").out


def test_the_command_that_goes_on_can_be_pasted_and_tells_no_key(
    hopyard: Hopyard, tmp_path: Path, profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, annotations = write_source(tmp_path / "my source", 1)
    (images / "dangling.png").symlink_to(tmp_path / "nothing")
    out = tmp_path / ("long " * 40) / ("and longer " * 15)
    command = ["run", str(images), "--annotations", str(annotations), "--profile", str(profile), "--out", str(out)]
    command += ["--no-server", "--workers", "1"]
    monkeypatch.setattr("sys.argv", ["hopyard", *command, "--vlm-url", "https://me:hunter22@gpu:8000/v1?key=hunter33"])
    monkeypatch.setenv("HOPYARD_API_KEY", "hunter44")
    hopyard(*command)
    (record,) = (path.read_text() for path in (out / "_runs").glob("*.json"))
    assert "hunter" not in record
    assert shlex.split(json.loads(record)["command"]) == [*command, "--vlm-url", "https://gpu:8000/v1"]


def test_a_failed_record_makes_exit_code_1_after_all_others(
    hopyard: Hopyard, tmp_path: Path, profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, annotations = write_source(tmp_path / "source", 3)
    (images / "dangling.png").symlink_to(tmp_path / "nothing")
    command = ["run", images, "--annotations", annotations, "--profile", profile, "--out", tmp_path / "out"]
    said = hopyard(*command, "--no-server", "--workers", 1)
    assert said.code == 1
    assert "failed in ingest: dangling.png: FileNotFoundError" in said.err
    assert "1 records failed; the same command tries them again" in said.err
    assert "look at" in said.out
    assert "Traceback" not in said.err


def test_an_unexpected_exception_is_one_line_with_a_way_to_see_more(tmp_path: Path) -> None:
    code = "from pipelines import cli; import pipelines.cli_read; cli.app.registered_commands.clear()\n"
    code += "cli.app.command()(lambda: 1 / 0); cli.app.command('x')(lambda: 0)\n"
    code += "import sys; sys.argv = ['hopyard', '<lambda>']; cli.main()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("hopyard: unexpected ZeroDivisionError")
    assert ended.stderr.count("\n") == 1


def test_help_is_there_without_arguments_and_for_every_command(hopyard: Hopyard) -> None:
    said = hopyard()
    assert said.code == 0
    for command in ("run", "scenes", "verify", "query", "why", "show", "publish"):
        assert command in said.out
        assert hopyard(command, "--help").code == 0


def test_profiles_that_come_with_the_package_load(hopyard: Hopyard) -> None:
    from pipelines.config import load_profile

    assert "default" in profile_names()
    for name in profile_names():
        assert load_profile(name).description
