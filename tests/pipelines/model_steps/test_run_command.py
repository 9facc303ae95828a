"""`hopyard run --profile ... --vlm-url ...` as a user types it: what it does, and what it refuses in one line."""

from pathlib import Path

import pytest

from benchmarks.scripted_answers.book import book_of_dataset
from benchmarks.scripted_answers.rates import Rates
from benchmarks.scripted_answers.stand_in import StandIn
from benchmarks.scripted_server.script import Manner
from benchmarks.scripted_server.server import ScriptedServer
from pipelines.cascade_table import cascade_rows
from pipelines.catalog import connect
from pipelines.cli import run_command
from pipelines.config import load_profile
from pipelines.options import RunOptions
from pipelines.produce import produce_plain
from pipelines.store import Dataset
from pipelines.verify import verify_dataset
from tests.pipelines.model_steps.conftest import Serve

COCO = Path("../shared/coco")
QUIET = ["--no-server", "--workers", "1"]


def test_a_style_is_one_command(
    serve: Serve, tiny_source: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, annotations = map(str, tiny_source)
    with serve(Rates(skill=0.6)) as served:
        first, second = (server.url for server in served.servers)
        command = ["run", images, "--annotations", annotations, "--limit", "3", "--profile", "spatial", *QUIET]
        command += ["--vlm-url", first, "--judge-url", second, "--out", str(tmp_path / "out")]
        assert run_command(command) == 0
    said = capsys.readouterr().out
    assert "rubric: " in said and "judging cheapest first took" in said
    rows = {row.stage: row for row in cascade_rows(Dataset.open(tmp_path / "out"))}
    assert rows["blind"].taken == rows["check"].kept and rows["solve"].taken == rows["blind"].kept
    assert rows["rubric"].taken == rows["solve"].kept
    assert rows["solve"].calls <= 6 * rows["solve"].taken and rows["check"].calls == 0


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        (["--profile", "hopchain"], "asks a generator: give --vlm-url"),
        (["--profile", "hopchain", "--vlm-url", "URL"], "asks a judge: give --judge-url"),
        (["--profile", "hopchain", "--vlm-url", "URL", "--judge-url", "URL"], "of the same family as the generator"),
        (["--profile", "hopchain", "--vlm-url", "http://127.0.0.1:9/v1"], "does not say which model it serves"),
        (["--profile", "hopchain", "--vlm-url", "gpu1:8000"], "begins with http:// or https://"),
        (["--profile", "insight", "--domain", "astrology"], "there is no domain astrology"),
        (["--vlm-url", "URL"], "this profile asks no models"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(
    options: list[str],
    refusal: str,
    serve: Serve,
    tiny_source: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    images, annotations = map(str, tiny_source)
    with serve(Rates()) as served:
        given = [served.servers[0].url if option == "URL" else option for option in options]
        out = str(tmp_path / "out")
        assert run_command(["run", images, "--annotations", annotations, "--out", out, *QUIET, *given]) == 2
    said = capsys.readouterr().err
    assert refusal in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not COCO.exists(), reason="the photos are not here")
def test_photos_are_asked_about_too(tmp_path: Path) -> None:
    images, annotations = COCO / "images", COCO / "instances.json"
    known = RunOptions(tmp_path / "known", load_profile("photos"), images, annotations, limit=9)
    produce_plain(known)
    book = book_of_dataset(Dataset.open(tmp_path / "known"), images)
    writer, arbiter = StandIn(Rates(wrong=0.2, skill=0.7)), StandIn(Rates())
    with (
        ScriptedServer(writer.answers(), book, manner=Manner(model="small-writer")) as first,
        ScriptedServer(arbiter.answers(), book, manner=Manner(model="arbiter")) as second,
    ):
        command = ["run", str(images), "--annotations", str(annotations), "--limit", "9", "--profile", "hopchain"]
        command += ["--vlm-url", first.url, "--judge-url", second.url, "--out", str(tmp_path / "out"), *QUIET]
        assert run_command(command) == 0
    dataset = Dataset.open(tmp_path / "out")
    with connect(dataset) as connection:
        proved = connection.execute("select count(*) from questions where program <> ''").fetchall()[0][0]
        wrong = [
            (text, answer)
            for text, answer in connection.execute(
                "select question, answer from questions join decisions using (question_id) where route = 'accept'"
            ).fetchall()
            if writer.planted[text, answer].true != answer
        ]
    assert proved > 0 and wrong == []
    assert verify_dataset(dataset).problems == ()
