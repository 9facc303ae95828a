"""What a look at one thing finds."""

from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from pipelines.config import DEFAULT_PROFILE


class State(StrEnum):
    """How a checked thing stands."""

    OK = "ok"
    NOTE = "note"
    """Not there, and not needed for what was asked."""
    BROKEN = "broken"


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    state: State
    found: str
    mend: str = ""
    """A command, or what to do; of everything broken."""


class Patient(NamedTuple):
    """What is looked at."""

    out: Path
    """Dataset, or the folder where datasets land."""
    profile: str = DEFAULT_PROFILE
    label_studio: str | None = None
    """Address; also from `HOPYARD_LABEL_STUDIO_URL`."""
