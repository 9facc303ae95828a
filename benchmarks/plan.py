"""What a run of the benchmarks is asked to do."""

from pathlib import Path
from typing import NamedTuple


class Plan(NamedTuple):
    """Options that every benchmark gets."""

    quick: bool
    """Small sizes: shows that everything runs; the figures are rough, and targets that need size are not judged."""
    scratch: Path
    """A folder for files, gone after the run."""
    scenes: int = 0
    """Scenes of the eyes and of the cascade; 0 for the number their targets are judged on."""
    dataset: Path | None = None
    """A finished dataset whose accepted questions the blind benchmark reads as well."""
