import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import ConservationError
from pipelines.ledger import Ledger, check_run, total_counts
from schemas.drop import Drop, DropReason
from schemas.manifest import Part, ShardManifest, UnitCount

reasons = st.lists(st.sampled_from(DropReason), max_size=6)


def make_drop(reason: DropReason) -> Drop:
    return Drop(stage="ingest", id="a", parent_id="a", reason=reason)


def fill(kept: int, dropped: list[DropReason], failed: int, taken: int) -> Ledger:
    ledger = Ledger("ingest")
    ledger.take("files", taken)
    ledger.keep("files", kept)
    ledger.drop("files", [make_drop(reason) for reason in dropped])
    ledger.fail("files", failed)
    return ledger


@given(st.integers(0, 9), reasons, st.integers(0, 9))
def test_a_balance_that_adds_up_is_closed(kept: int, dropped: list[DropReason], failed: int) -> None:
    (count,) = fill(kept, dropped, failed, kept + len(dropped) + failed).close()
    assert (count.kept, count.dropped_total, count.failed, count.missing) == (kept, len(dropped), failed, 0)


@given(st.integers(0, 9), reasons, st.integers(0, 9), st.integers(-5, 5).filter(bool))
def test_one_record_too_many_or_too_few_is_an_error(
    kept: int, dropped: list[DropReason], failed: int, off: int
) -> None:
    taken = kept + len(dropped) + failed + off
    if taken >= 0:
        with pytest.raises(ConservationError, match="unaccounted for"):
            fill(kept, dropped, failed, taken).close()


def test_a_unit_that_was_never_taken_is_an_error() -> None:
    ledger = Ledger("ingest")
    ledger.keep("files")
    with pytest.raises(ConservationError, match="never took"):
        ledger.close()


def test_an_exception_is_a_failure_with_its_message_on_one_line() -> None:
    ledger = Ledger("ingest")
    assert ledger.attempt("a", lambda: 1 // 0) is None
    assert ledger.attempt("b", lambda: 7) == 7
    assert [(failure.id, failure.error) for failure in ledger.failures] == [
        ("a", "ZeroDivisionError: integer division or modulo by zero")
    ]


def make_manifest(stage: str, table: str, rows: int, **counts: int) -> ShardManifest:
    part = Part(table=table, shard=0, path=f"{table}/a.parquet", rows=rows, file_bytes=1, sha256="0")
    return ShardManifest(
        stage=stage,
        shard=0,
        key="k",
        version=1,
        config_hash="c",
        input_digest="i",
        counts=(UnitCount(unit="files", **counts),),
        parts=(part,),
        seconds=0,
    )


def test_the_run_must_add_up_between_stages_and_with_the_parts() -> None:
    sound = [make_manifest("ingest", "files", 3, taken=3, kept=3), make_manifest("admit", "images", 3, taken=3, kept=3)]
    assert check_run(sound) == ()
    assert total_counts([sound[0], sound[0]])["ingest", "files"].taken == 6
    lost = [sound[0], make_manifest("admit", "images", 2, taken=2, kept=2)]
    assert check_run(lost) == ("ingest kept 3 files, but admit took 2 files",)
    unwritten = [sound[0], make_manifest("admit", "images", 2, taken=3, kept=3)]
    assert check_run(unwritten) == ("admit kept 3 files, but images has 2 rows",)
    undropped = [make_manifest("ingest", "drops", 1, taken=0, kept=0)]
    assert "the stages dropped 0 records, but drops has 1 rows" in check_run(undropped)
