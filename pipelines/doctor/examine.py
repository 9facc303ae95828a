"""`hopyard doctor`: looks at everything a run leans on; each broken thing has a name and the command that mends it."""

from collections.abc import Iterator
from pathlib import Path

from pipelines.doctor import machine, services
from pipelines.doctor.check import Check, Patient, State
from pipelines.observers import redact
from pipelines.settings import settings

CHECKS = (*machine.LOOKS, *services.LOOKS)


def examine(patient: Patient) -> Iterator[Check]:
    """Yields every check. A check that itself fails is a broken thing, never a traceback."""
    for look in CHECKS:
        try:
            yield from look(patient)
        except Exception as error:  # noqa: BLE001 - a doctor that dies of the disease helps nobody
            name = look.__name__.strip("_").replace("_", " ")
            text = redact(" ".join(f"{type(error).__name__}: {error}".split())[:200])
            yield Check(name, State.BROKEN, text, "HOPYARD_DEBUG=1 hopyard doctor, and report what it says")


def default_patient(out: Path | None, profile: str, label_studio: str | None) -> Patient:
    """Returns what to look at where little was said."""
    return Patient(out or settings().output, profile, label_studio)
