"""What people said, as tables of the dataset: written anew from the journal whenever it says something else.

The journal is where answers are kept; the tables are a function of it, like every other table of what it was made from.
"""

import os
from collections import Counter
from collections.abc import Sequence

from pipelines.catalog_file import refresh_catalog
from pipelines.ledger import Ledger
from pipelines.opening import hold_worker_lock
from pipelines.parts import digest_of
from pipelines.people.votes import Record
from pipelines.store import Dataset, ShardWriter
from schemas.annotation import PeopleDecision
from schemas.manifest import WHOLE_DATASET, ShardManifest

STAGE = "people"
VERSION = 1


def commit_record(dataset: Dataset, record: Record, decisions: Sequence[PeopleDecision]) -> bool:
    """Writes the tables unless they stand already; returns whether anything changed."""
    contents = {"annotations": record.annotations, "annotation_history": record.history, "people": decisions}
    digests = (row.model_dump_json() for rows in contents.values() for row in rows)
    key = digest_of(STAGE, VERSION, *digests)
    if dataset.manifest(STAGE, WHOLE_DATASET, key) is not None:
        return False
    lock = hold_worker_lock(dataset.root)
    try:
        ledger = Ledger(STAGE)
        writer = ShardWriter(dataset, key)
        for table, rows in contents.items():
            ledger.take(table, len(rows))
            writer.add_records(table, rows, WHOLE_DATASET)
            ledger.keep(table, sum(part.rows for part in writer.parts if part.table == table))
        manifest = ShardManifest(
            stage=STAGE,
            shard=WHOLE_DATASET,
            key=key,
            version=VERSION,
            config_hash="",
            input_digest=key,
            counts=ledger.close(),
            parts=writer.parts,
            seconds=0.0,
        )
        # The old rows go first: for a moment a reader sees none of them, never both.
        for standing in dataset.manifests(STAGE):
            dataset.retract(standing)
        dataset.commit(manifest)
    finally:
        os.close(lock)
    refresh_catalog(dataset)
    return True


def standings(decisions: Sequence[PeopleDecision]) -> Counter[tuple[str, str]]:
    """Returns how many questions stand how, by purpose and standing."""
    return Counter((decision.purpose.value, decision.standing.value) for decision in decisions)
