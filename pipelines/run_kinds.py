"""Words that options of a run may have; apart from what they start, so that the command line need not import that."""

from enum import StrEnum


class RunnerKind(StrEnum):
    """How shards are run."""

    LOCAL = "local"
    PROCESSES = "processes"
    RAY = "ray"


class LogKind(StrEnum):
    """How the progress of a run is told."""

    AUTO = "auto"
    """Bars on a terminal, lines elsewhere."""
    TEXT = "text"
    JSON = "json"
