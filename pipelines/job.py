"""One stage on one shard, described so that any process can do it: what to read, which options, which key."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import pyarrow as pa
from pydantic import BaseModel

from pipelines.config import RunConfig
from pipelines.ledger import Ledger
from pipelines.store import Dataset, ShardWriter
from schemas.image import Image
from schemas.manifest import Failure, Part, UnitCount

RecordType = TypeVar("RecordType", bound=BaseModel)


class Outcome(NamedTuple):
    """What a step made: everything the manifest says of it except its identity and duration."""

    counts: tuple[UnitCount, ...]
    failures: tuple[Failure, ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Job:
    """One stage on one shard. Small and picklable: paths and options, never rows."""

    root: Path
    """The dataset folder."""
    source: Path
    """The folder that uris are relative to."""
    annotations: Path | None
    stage: str
    shard: int
    key: str
    version: int
    config_hash: str
    input_digest: str
    inputs: Mapping[str, Sequence[Part]]
    """Parts to read, by ``stage/table``."""
    config: RunConfig
    seed: int
    limited: bool = False
    """Only some of the source's files are listed."""
    asks: bool = False
    """Its step asks models."""

    @property
    def dataset(self) -> Dataset:
        return Dataset(self.root)

    def paths(self, name: str) -> list[str]:
        """Returns the files of an input, given as ``stage/table``."""
        return [str(self.root / part.path) for part in self.inputs[name]]

    def rows(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """Returns the rows of an input, given as ``stage/table``."""
        return self.dataset.read(name.rpartition("/")[2], self.inputs[name], columns)

    def records(self, name: str, record_type: type[RecordType]) -> Iterator[RecordType]:
        """Yields the records of an input, given as ``stage/table``."""
        return self.dataset.records(name.rpartition("/")[2], record_type, self.inputs[name])

    def images(self) -> Iterator[Image]:
        """Yields the images that this step works on: the admitted ones, or those of them that were found rich."""
        return self.records("screen/rich" if "screen/rich" in self.inputs else "admit/images", Image)

    def writer(self) -> ShardWriter:
        """Returns a writer of this job's parts."""
        return ShardWriter(self.dataset, self.key)

    def finish(self, ledger: Ledger, tables: Mapping[str, Sequence[BaseModel]]) -> Outcome:
        """Writes the records and the ledger's drops as parts and returns the outcome.

        Raises:
            ConservationError: the ledger does not add up; nothing gets committed.
        """
        counts = ledger.close()
        writer = self.writer()
        for table, records in {**tables, "drops": ledger.drops}.items():
            writer.add_records(table, records, self.shard)
        return Outcome(counts, tuple(ledger.failures), writer.parts)
