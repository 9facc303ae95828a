import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.parts import TEMPORARY_MARK, digest_of, file_sha256, write_atomically, write_exclusively, write_part
from pipelines.tables import TABLES
from schemas.arrow import records_to_table
from schemas.drop import Drop, DropReason

drops = st.lists(
    st.builds(
        Drop,
        stage=st.just("ingest"),
        id=st.text(max_size=5),
        parent_id=st.just("p"),
        reason=st.sampled_from(DropReason),
    ),
    min_size=1,
    max_size=12,
)


@given(drops, st.randoms(use_true_random=False))
def test_a_part_is_a_function_of_its_rows_whatever_their_order(tmp_path_factory, rows, rng) -> None:
    root = tmp_path_factory.mktemp("part")
    shuffled = rng.sample(rows, len(rows))
    schema = TABLES["drops"].schema
    first = write_part(root, "drops", 0, "one", records_to_table(rows, schema))
    second = write_part(root, "drops", 0, "two", records_to_table(shuffled, schema))
    assert first.sha256 == second.sha256 == file_sha256(root / first.path)
    assert first.rows == len(rows) == pq.read_metadata(root / first.path).num_rows
    ids = pq.read_table(root / first.path)["id"].to_pylist()
    assert ids == sorted(ids, key=str.encode)


def test_no_rows_give_no_file(tmp_path: Path) -> None:
    assert write_part(tmp_path, "drops", 0, "none", TABLES["drops"].schema.empty_table()) is None
    assert not list(tmp_path.rglob("*"))


def test_a_failed_write_leaves_the_old_file_and_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert all(other == path or TEMPORARY_MARK in other.name for other in tmp_path.iterdir())


def test_of_many_exclusive_writers_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "manifest"
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda number: write_exclusively(path, str(number).encode()), range(64)))
    assert won.count(True) == 1
    assert path.read_bytes() == str(won.index(True)).encode()
    assert list(tmp_path.iterdir()) == [path]


@given(st.lists(st.text(), min_size=1), st.lists(st.text(), min_size=1))
def test_digests_tell_field_boundaries_apart(left: list[str], right: list[str]) -> None:
    assert (digest_of(*left) == digest_of(*right)) == (left == right)
