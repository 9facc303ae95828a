"""Hostile files one by one in a process of their own: none crashes, hangs or swells it, and each has its reason."""

import multiprocessing
import os
import resource
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import pytest

from pipelines.options import RunOptions
from pipelines.produce import produce_plain
from pipelines.publish import publish_dataset
from pipelines.publish_images import embed
from pipelines.store import Dataset
from schemas.drop import Drop
from stages.ingest import DecodedImage, IngestConfig, read_image
from tests.hostile import GPS_MARK, SCRIPT, TABLE, Hostile, hostile

MOST_SECONDS = 5
"""Of processor time, so that a busy machine does not matter."""
MOST_BYTES = 1 << 30
MOST_WAIT = 100.0


class Fate(NamedTuple):
    outcome: str
    """Reason of the drop, or ``admitted``."""
    detail: str
    peak: int
    """Most resident bytes, the program itself included."""
    shipped: bytes
    """The picture as it would be published."""


def nursery(pipe: Connection) -> None:
    """Forks one process per file, from one that has imported everything and runs no thread."""
    while True:
        name, data = pipe.recv()
        child = os.fork()
        if child == 0:
            resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
            Path("/proc/self/clear_refs").write_text("5")  # forget the parent's peak
            pipe.send(fate_of(name, data))
            os._exit(0)
        pipe.send(child)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code:
            pipe.send(code)


def fate_of(name: str, data: bytes) -> Fate:
    result = read_image(data, name, "unknown", IngestConfig())
    shipped = b""
    if isinstance(result, DecodedImage):
        picture = embed(data, result.image)
        assert not isinstance(picture, Drop), picture
        shipped = picture.bytes
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    outcome, detail = ("admitted", "") if isinstance(result, DecodedImage) else (result.reason.value, result.detail)
    return Fate(outcome, detail, int(line.split()[1]) << 10, shipped)


@pytest.fixture(scope="module")
def forks() -> Iterator[Connection]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=nursery, args=(there,), daemon=True)
    process.start()
    yield here
    process.kill()
    process.join()
    process.close()


def fate(forks: Connection, file: Hostile) -> Fate:
    """Returns what became of a file; fails where its process crashed or did not come to an end."""
    forks.send((file.name, file.data))
    got: list[object] = []
    deadline = time.monotonic() + MOST_WAIT
    while len(got) < 2:  # the child's number and its word, in either order
        assert forks.poll(max(0.0, deadline - time.monotonic())), f"{file.name} hangs"
        got.append(forks.recv())
    found = next((one for one in got if isinstance(one, Fate)), None)
    assert found is not None, f"{file.name} ended its process with {got[1]}"
    return found


def test_there_are_sixty() -> None:
    assert len(TABLE) >= 60


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux to measure memory")
@pytest.mark.parametrize("name", TABLE)
def test_a_hostile_file_has_its_reason_and_its_bounds(forks: Connection, name: str) -> None:
    file = hostile(name)
    found = fate(forks, file)
    wanted = {"admitted"} if file.reasons is None else {reason.value for reason in file.reasons}
    assert found.outcome in wanted, found.detail
    assert found.peak < MOST_BYTES, f"{file.name} took {found.peak >> 20} MiB"
    assert (found.outcome == "admitted") == bool(found.shipped)
    assert found.outcome == "admitted" or found.detail
    for mark in (GPS_MARK, SCRIPT, b"Exif", b"PK\x03\x04", b"yyyyyyyy"):
        assert mark not in found.shipped


def test_a_run_over_all_of_them_accounts_for_each(
    tmp_path: Path, tiny_source: tuple[Path, Path], tiny_options: RunOptions
) -> None:
    """Among good pictures, with names and kinds of files that are hostile too."""
    source = tmp_path / "mixed"
    source.mkdir()
    for path in tiny_source[0].iterdir():
        (source / path.name).write_bytes(path.read_bytes())
    files = [hostile(name) for name in TABLE]
    for file in files:
        (source / file.name).write_bytes(file.data)
    for name in (
        "<script>alert(1)<%2fscript>.png",
        "a\nnew line.png",
        "'; drop table images; --.png",
        "x" * 251 + ".png",
    ):
        (source / name).write_bytes(b"not a picture")
    Path(os.fsdecode(os.fsencode(source) + b"/\xff\xfe.png")).write_bytes(b"not a picture either")
    with (source / "huge.png").open("wb") as sparse:
        sparse.truncate(3 << 30)
    os.mkfifo(source / "pipe.png")
    (source / "endless.png").symlink_to("/dev/zero")
    (source / "round.png").symlink_to(source / "round.png")
    result = produce_plain(tiny_options._replace(source=source, shard_size=40))
    dataset = Dataset(result.root)
    (failure,) = {(failure.id, failure.stage) for manifest in result.manifests for failure in manifest.failures}
    assert failure == ("round.png", "ingest")  # a link to itself is an outage, not a fact about a picture
    dropped = {
        row["id"]: row for row in dataset.read("drops").to_pylist() if row["stage"] in ("ingest", "list", "admit")
    }
    admitted = set(dataset.read("images")["uri"].to_pylist())
    for file in files:
        if file.reasons is None:
            assert file.name in admitted or dropped[file.name]["reason"] == "duplicate_image"
        else:
            assert dropped[file.name]["reason"] in {reason.value for reason in file.reasons}
            assert dropped[file.name]["detail"]
    assert dropped["huge.png"]["reason"] == "too_large"
    assert "\\xff\\xfe.png" in dropped
    assert not {"pipe.png", "endless.png"} & (admitted | dropped.keys())
    assert not Path("/tmp/hopyard-was-here").exists()
    report = publish_dataset(result.root)
    everything = b"".join(path.read_bytes() for path in report.folder.iterdir())
    assert GPS_MARK not in everything
