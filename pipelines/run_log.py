"""The runs of a dataset, one small file each below `_runs`: what a person asks when something went wrong at night.

A file is written when a run has something to do, rewritten at the start of every stage, and once more at its end. A
run that was killed cannot do the last, so whoever opens the dataset next, and thereby knows that nobody else has it,
writes what is known of its end: `crashed`. Rows never depend on these files.
"""

import datetime
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from pipelines.models.redaction import with_plain_addresses
from pipelines.observers import redact
from pipelines.parts import write_atomically
from pipelines.progress import Several, Watcher
from pipelines.store import Dataset
from schemas.manifest import ShardManifest
from schemas.run import RunRecord, RunState

RUN_FOLDER = "_runs"
REWRITE_SECONDS = 5.0
"""How often the record of a run at work is brought up to date."""


class RunLog:
    """Writes the record of one run; a `Watcher`, so it sees stages begin and shards done."""

    def __init__(self, root: Path, command: str, flow_run: str | None = None) -> None:
        self._root = root
        self._written = False
        self._last = 0.0
        self.record = RunRecord(
            run_id=f"{_now():%Y%m%dT%H%M%S}-{os.urandom(3).hex()}",
            command=command,
            state=RunState.RUNNING,
            host=socket.gethostname(),
            process=os.getpid(),
            started=f"{_now():%Y-%m-%dT%H:%M:%SZ}",
            flow_run=flow_run,
        )

    def say(self, text: str) -> None:
        return

    def begin(self, stage: str, total: int, done: int) -> None:
        self._change(stage=stage)
        if done < total:
            self._write()

    def advance(self, manifest: ShardManifest) -> None:
        record = self.record
        self._change(shards_done=record.shards_done + 1, failed=record.failed + manifest.failed)
        if time.monotonic() - self._last > REWRITE_SECONDS:
            self._write()

    def end(self) -> None:
        return

    def close(self, error: BaseException | None) -> None:
        """Writes how the run ended; nothing where it had nothing to do."""
        if not self._written and (error is None or not (self._root / RUN_FOLDER).exists()):
            return
        state = RunState.FINISHED
        if error is not None:
            state = RunState.STOPPED if isinstance(error, KeyboardInterrupt) else RunState.FAILED
        text = None if error is None else " ".join(f"{type(error).__name__}: {error}".split())[:500]
        self._change(state=state, ended=f"{_now():%Y-%m-%dT%H:%M:%SZ}", error=text)
        self._write()

    def _change(self, **fields: object) -> None:
        self.record = self.record.model_copy(update=fields)

    def _write(self) -> None:
        self._written = True
        self._last = time.monotonic()
        _store(self._root, self.record)


@contextmanager
def logged_run(dataset: Dataset, watcher: Watcher, flow_run: str | None = None) -> Iterator[Watcher]:
    """Gives a watcher that also writes the run's record; tells of runs that crashed before."""
    for record in mark_crashed(dataset):
        watcher.say(crash_text(record))
    log = RunLog(dataset.root, command_text(sys.argv[1:]), flow_run)
    try:
        yield Several((watcher, log))
    except BaseException as error:
        log.close(error)
        raise
    log.close(None)


def command_text(arguments: Sequence[str]) -> str:
    """Returns arguments as a shell takes them, whole: whoever pastes them gets the same run. Keys are left out."""
    return shlex.join(redact(with_plain_addresses(argument)) for argument in arguments)


def read_runs(root: Path) -> list[RunRecord]:
    """Returns the records of a dataset's runs, the earliest first; a damaged file is passed over."""
    found = []
    for path in sorted((root / RUN_FOLDER).glob("*.json")):
        try:
            found.append(RunRecord.model_validate_json(path.read_bytes()))
        except (OSError, ValidationError, ValueError):
            continue
    return found


def mark_crashed(dataset: Dataset) -> list[RunRecord]:
    """Writes `crashed` over runs that never said how they ended and returns them. Only for who holds the dataset."""
    crashed = []
    for record in read_runs(dataset.root):
        if record.state is RunState.RUNNING:
            text = f"it vanished in {record.stage or 'its start'}"
            crashed.append(record.model_copy(update={"state": RunState.CRASHED, "error": text}))
            _store(dataset.root, crashed[-1])
    return crashed


def crash_text(record: RunRecord) -> str:
    """Returns what to tell of a crashed run."""
    where = f"in {record.stage}" if record.stage else "at its start"
    return (
        f"the run of {record.started} (process {record.process} on {record.host}) ended {where} without a word: "
        "killed, or out of memory; what it committed is kept, going on from there"
    )


def next_step(record: RunRecord) -> str:
    """Returns what makes a run that did not finish go on: its command, or the clock that had started it."""
    return f"hopyard {record.command}" if record.command else "the next tick of hopyard schedule or its worker"


def work_in_progress(root: Path) -> str:
    """Returns who is at work, in brackets; empty where nobody said."""
    running = [record for record in read_runs(root) if record.state is RunState.RUNNING]
    if not running:
        return ""
    last = running[-1]
    return f" (process {last.process} on {last.host} since {last.started}, now in {last.stage or 'its start'})"


def _store(root: Path, record: RunRecord) -> None:
    data = (record.model_dump_json(indent=1) + "\n").encode()
    write_atomically(root / RUN_FOLDER / f"{record.run_id}.json", data)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
