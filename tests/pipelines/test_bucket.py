"""Datasets in buckets: the same rows as on this machine, through failing and slow storage; one writer at a time."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from pipelines.bucket import BucketPath, place
from pipelines.catalog import ask
from pipelines.errors import BusyError, UserError
from pipelines.lease import held_lease
from pipelines.listing import list_files
from pipelines.options import RunOptions
from pipelines.parts import write_exclusively
from pipelines.produce import produce_plain
from pipelines.publish import publish_dataset
from pipelines.store import Dataset
from pipelines.verify import verify_dataset
from tests.pipelines.s3_server import BUCKET, ENVIRONMENT, Faults, s3_server
from tests.pipelines.tables_of import tables_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def faults() -> Faults:
    return Faults(slow_seconds=0.05)


@pytest.fixture(scope="module")
def bucket(faults: Faults) -> Iterator[BucketPath]:
    with pytest.MonkeyPatch.context() as patch, s3_server(faults) as url:
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": url}.items():
            patch.setenv(name, value)
        found = place(f"s3://{BUCKET}")
        assert isinstance(found, BucketPath)
        yield found


def test_names_in_buckets_are_paths() -> None:
    path = place("s3://hops/a/b") / "c.txt"
    assert (str(path), path.name, path.suffix) == ("s3://hops/a/b/c.txt", "c.txt", ".txt")
    assert place(Path("s3://hops/a")) == place("s3://hops/a") == pickle.loads(pickle.dumps(place("s3://hops/a")))
    assert path.relative_to(place("s3://hops/a")).as_posix() == "b/c.txt"
    assert isinstance(path / "/tmp/x", Path)
    assert not isinstance(path / "/tmp/x", BucketPath)
    assert not isinstance(place("output/x"), BucketPath)
    with pytest.raises(UserError, match="needs a folder of this machine"):
        open(path)


def test_objects_are_read_written_listed_and_removed(bucket: BucketPath) -> None:
    path = bucket / "plain" / "a.txt"
    assert write_exclusively(path, b"one")
    assert not write_exclusively(path, b"two")
    assert path.read_bytes() == b"one"
    assert path.stat().st_size == 3
    assert path.exists()
    assert path.parent.is_dir()
    assert [str(found) for found in (bucket / "plain").glob("*.txt")] == [str(path)]
    assert [found.name for found in bucket.rglob("a.*")] == ["a.txt"]
    path.unlink()
    path.unlink(missing_ok=True)
    assert not path.exists()
    with pytest.raises(FileNotFoundError, match="no such object"):
        path.read_bytes()


def test_a_dataset_in_a_failing_bucket_has_the_rows_of_a_local_one(
    bucket: BucketPath, faults: Faults, tiny_options: RunOptions, finished: Dataset, tmp_path: Path
) -> None:
    """From a source that is in a bucket too."""
    assert tiny_options.source is not None
    for file in tiny_options.source.iterdir():
        (bucket / "photos" / file.name).write_bytes(file.read_bytes())
    faults.failing, faults.slow = 0.1, 0.1
    options = tiny_options._replace(source=bucket / "photos", out=bucket / "set")
    result = produce_plain(options)
    assert result.failed == 0
    assert faults.failed > 10
    dataset = Dataset.open(options.out)
    assert tables_of(dataset) == tables_of(finished)
    assert produce_plain(options).new == 0
    assert not (options.out / "_lease.json").exists()
    assert verify_dataset(dataset).problems == ()
    sql = "select count(*), count(distinct image_id) from questions"
    with ask(dataset, sql) as there, ask(finished, sql) as here:
        assert list(there.rows) == list(here.rows)
    report = publish_dataset(options.out, tmp_path / "release")
    assert sum(report.rows.values()) > 0
    assert dataset.read("samples").num_rows == sum(report.rows.values())
    faults.failing, faults.slow = 0.0, 0.0


def test_a_source_in_a_bucket_is_listed_like_a_folder(bucket: BucketPath, tiny_source: tuple[Path, Path]) -> None:
    picture = (tiny_source[0] / "picture-0000.png").read_bytes()
    for name, data in (("b/x.png", picture), ("a.bin", picture), ("notes.txt", b"no"), (".hidden.png", b"x")):
        (bucket / "mixed" / name).write_bytes(data)
    assert [file.uri for file in list_files(bucket / "mixed", None)] == ["a.bin", "b/x.png"]


ODD_NAMES = [
    "a b",
    "a%20b",
    "a#b",
    "\u00e9",
    "e\u0301",
    "q'u",
    'q"u',
    "x?y",
    "a+b",
    "~t",
    "b\\s",
    "[a]",
    "*",
    "{x}",
    "a&b=c",
]


def test_objects_of_any_name_are_listed_and_read(bucket: BucketPath, tiny_source: tuple[Path, Path]) -> None:
    picture = (tiny_source[0] / "picture-0000.png").read_bytes()
    for name in ODD_NAMES:
        (bucket / "odd" / f"{name}.png").write_bytes(picture)
    listed = list_files(bucket / "odd", None)
    assert [file.uri for file in listed] == sorted(f"{name}.png" for name in ODD_NAMES)
    assert all((bucket / "odd" / file.uri).read_bytes() == picture for file in listed)


def test_an_object_that_vanishes_while_a_bucket_is_listed_stops_nothing(
    bucket: BucketPath, tiny_source: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kept", "going"):
        (bucket / "going" / name).write_bytes((tiny_source[0] / "picture-0000.png").read_bytes())
    read_start = BucketPath.read_start

    def too_late(path: BucketPath, count: int) -> bytes:
        if path.name == "going":
            path.unlink()
        return read_start(path, count)

    monkeypatch.setattr(BucketPath, "read_start", too_late)
    assert [file.uri for file in list_files(bucket / "going", None)] == ["kept"]


def test_a_bucket_that_cannot_be_listed_is_one_clear_line(bucket: BucketPath, monkeypatch: pytest.MonkeyPatch) -> None:
    def walk_objects(path: BucketPath) -> NoReturn:
        raise OSError(5, "object storage: no answer", str(path))

    monkeypatch.setattr(BucketPath, "walk_objects", walk_objects)
    with pytest.raises(UserError, match="cannot read source s3://hops/odd: .*no answer"):
        list_files(bucket / "odd", None)


def test_a_dataset_in_a_bucket_has_one_writer_and_a_dead_ones_lease_expires(
    bucket: BucketPath, tiny_options: RunOptions
) -> None:
    root = bucket / "leased"
    with held_lease(root):
        with pytest.raises(UserError, match=r"another run is at work on s3://hops/leased .*expires in \d+ s"):
            produce_plain(tiny_options._replace(out=root))
    assert not (root / "_lease.json").exists()
    (root / "_lease.json").write_bytes(b'{"host": "gone", "process": 1, "seconds": 0}')
    with held_lease(root) as lease:
        lease.check()


def test_a_run_whose_lease_was_taken_over_notices(bucket: BucketPath) -> None:
    root = bucket / "contested"
    with held_lease(root, seconds=0.4) as lease:
        (root / "_lease.json").write_bytes(b'{"host": "other", "process": 2, "seconds": 60}')
        lease._thread.join(5)
        with pytest.raises(UserError, match="another run has taken it over"):
            lease.check()
    assert b"other" in (root / "_lease.json").read_bytes()


def test_a_lease_that_is_being_given_back_is_nobody_elses_before_it_is_gone(
    bucket: BucketPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the one that gives it back would remove the next one's, and a third run would start beside it."""
    root = bucket / "handed-on"
    refused = []

    def unlink_late(path: BucketPath, missing_ok: bool = False) -> None:
        with monkeypatch.context() as inner:
            inner.setattr(BucketPath, "unlink", unlink)
            with pytest.raises(BusyError, match="another run is at work"), held_lease(root):
                refused.append("not")
        refused.append("yes")
        unlink(path, missing_ok)

    unlink = BucketPath.unlink
    with held_lease(root):
        monkeypatch.setattr(BucketPath, "unlink", unlink_late)
    monkeypatch.setattr(BucketPath, "unlink", unlink)
    assert refused == ["yes"]
    with held_lease(root) as lease:
        lease.check()
