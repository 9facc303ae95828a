"""What is known of one run of a dataset: when, where, how it ended. About the run, never about the rows."""

from enum import StrEnum

from pydantic import Field

from schemas.record import Record

SCHEMA_VERSION = 1


class RunState(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    """It ended by itself with an error."""
    STOPPED = "stopped"
    """Somebody interrupted it."""
    CRASHED = "crashed"
    """It vanished: nobody wrote how it ended, and nobody holds its dataset any more."""


class RunRecord(Record):
    """One run that had something to do."""

    run_id: str
    """Time of the start and a random part, so that names sort by time."""
    command: str
    state: RunState
    host: str
    process: int = Field(ge=0)
    started: str
    """ISO 8601, UTC."""
    ended: str | None = None
    stage: str | None = None
    """The last one that was begun."""
    shards_done: int = Field(default=0, ge=0)
    """Committed by this run, over all stages."""
    failed: int = Field(default=0, ge=0)
    """Records that met an exception."""
    error: str | None = None
    flow_run: str | None = None
    """Id of the run on a Prefect server."""
