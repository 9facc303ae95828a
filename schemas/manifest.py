"""What one stage made of one shard: written last, and the only thing that makes rows visible to readers."""

from pydantic import Field

from schemas.drop import DropReason
from schemas.record import Record

SCHEMA_VERSION = 1

WHOLE_DATASET = -1
"""Shard number of a step that sees all shards at once."""


class DropCount(Record):
    """How many were rejected for one reason."""

    reason: DropReason
    count: int = Field(gt=0)


class UnitCount(Record):
    """The balance of one unit (files, images, annotations, ...): ``taken = kept + dropped + failed``."""

    unit: str
    taken: int = Field(ge=0)
    kept: int = Field(ge=0)
    dropped: tuple[DropCount, ...] = ()
    """Sorted by reason."""
    failed: int = Field(default=0, ge=0)

    @property
    def dropped_total(self) -> int:
        """Rejected for any reason."""
        return sum(drop.count for drop in self.dropped)

    @property
    def missing(self) -> int:
        """What the balance cannot account for: 0, or there is a bug."""
        return self.taken - self.kept - self.dropped_total - self.failed


class Failure(Record):
    """One record that met an unexpected exception: a bug or an outage, never a fact about the data."""

    stage: str
    id: str
    error: str
    """Exception type and message."""


class Part(Record):
    """One immutable Parquet file."""

    table: str
    shard: int
    """Whose rows it holds; `WHOLE_DATASET` where it is not cut into shards."""
    path: str
    """Below the dataset folder, with forward slashes."""
    rows: int = Field(gt=0)
    file_bytes: int = Field(gt=0)
    sha256: str
    """Of the file."""


class ShardManifest(Record):
    """The outcome of one stage on one shard."""

    stage: str
    shard: int
    key: str
    """Hash of stage, version, config hash, seed and input digest: what the outcome is a function of."""
    version: int
    """VERSION of the stage."""
    config_hash: str
    """Of the stage's own configuration."""
    input_digest: str
    counts: tuple[UnitCount, ...]
    failures: tuple[Failure, ...] = ()
    parts: tuple[Part, ...] = ()
    seconds: float = Field(ge=0)
    """Wall clock, without waiting for a worker."""

    @property
    def failed(self) -> int:
        """Records that met an exception."""
        return len(self.failures)
