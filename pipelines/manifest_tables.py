"""What manifests say, as tables that SQL can read: `work`, `balances` and `losses`."""

from collections.abc import Sequence

import pyarrow as pa

from pipelines.tables import STAGE_ORDER
from schemas.manifest import ShardManifest

_PLACE = [("stage", pa.string()), ("position", pa.int32()), ("shard", pa.int32())]
WORK_SCHEMA = pa.schema(
    [
        *_PLACE,
        ("version", pa.int32()),
        ("config_hash", pa.string()),
        ("seconds", pa.float64()),
        ("failures", pa.int64()),
    ]
)
"""``position`` is the stage's place in the flow; ``shard`` is -1 for a step over the whole dataset."""
BALANCE_SCHEMA = pa.schema(
    [*_PLACE, ("unit", pa.string()), ("unit_position", pa.int32()), ("taken", pa.int64()), ("kept", pa.int64())]
    + [("dropped", pa.int64()), ("failed", pa.int64())]
)
"""``taken = kept + dropped + failed`` in every row."""
LOSS_SCHEMA = pa.schema([*_PLACE, ("unit", pa.string()), ("reason", pa.string()), ("count", pa.int64())])
"""``dropped`` of a balance, by reason."""


def manifest_tables(manifests: Sequence[ShardManifest]) -> dict[str, pa.Table]:
    """Returns what manifests say as tables: ``work``, ``balances``, ``losses``."""
    position = {stage: number for number, stage in enumerate(STAGE_ORDER)}
    work, balances, losses = [], [], []
    for manifest in manifests:
        place = {"stage": manifest.stage, "position": position.get(manifest.stage, len(position))}
        place["shard"] = manifest.shard
        work.append(place | {"version": manifest.version, "config_hash": manifest.config_hash})
        work[-1] |= {"seconds": manifest.seconds, "failures": len(manifest.failures)}
        for number, count in enumerate(manifest.counts):
            own = {"unit": count.unit, "unit_position": number, "taken": count.taken, "kept": count.kept}
            balances.append(place | own | {"dropped": count.dropped_total, "failed": count.failed})
            for drop in count.dropped:
                losses.append(place | {"unit": count.unit, "reason": drop.reason.value, "count": drop.count})
    return {
        "work": pa.Table.from_pylist(work, schema=WORK_SCHEMA),
        "balances": pa.Table.from_pylist(balances, schema=BALANCE_SCHEMA),
        "losses": pa.Table.from_pylist(losses, schema=LOSS_SCHEMA),
    }
