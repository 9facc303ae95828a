"""What a person sees of a run: bars on a terminal, plain lines otherwise, nothing in tests."""

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from schemas.manifest import ShardManifest


class Watcher(Protocol):
    """Whoever wants to know how a run goes on."""

    def say(self, text: str) -> None: ...

    def begin(self, stage: str, total: int, done: int) -> None: ...

    def advance(self, manifest: ShardManifest) -> None: ...

    def end(self) -> None: ...


class Silent:
    """Watches and says nothing."""

    def say(self, text: str) -> None:
        return

    def begin(self, stage: str, total: int, done: int) -> None:
        return

    def advance(self, manifest: ShardManifest) -> None:
        return

    def end(self) -> None:
        return


class Several:
    """Tells every one of its watchers."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = tuple(watchers)

    def say(self, text: str) -> None:
        for watcher in self._watchers:
            watcher.say(text)

    def begin(self, stage: str, total: int, done: int) -> None:
        for watcher in self._watchers:
            watcher.begin(stage, total, done)

    def advance(self, manifest: ShardManifest) -> None:
        for watcher in self._watchers:
            watcher.advance(manifest)

    def end(self) -> None:
        for watcher in self._watchers:
            watcher.end()


class Lines:
    """One line per step, for logs."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._stage, self._total, self._done, self._started = "", 0, 0, 0.0

    def say(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def begin(self, stage: str, total: int, done: int) -> None:
        self._stage, self._total, self._done, self._started = stage, total, done, time.monotonic()

    def advance(self, manifest: ShardManifest) -> None:
        return

    def end(self) -> None:
        new = self._total - self._done
        if new:
            seconds = time.monotonic() - self._started
            before = f" ({self._done} done before)" if self._done else ""
            self.say(f"{self._stage}: {new} shard{'s' if new != 1 else ''} in {seconds:.1f} s{before}")


class Bars:
    """One bar per step, for people."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description:>16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console)
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        self._progress.console.print(text, highlight=False, markup=False)

    def begin(self, stage: str, total: int, done: int) -> None:
        self._task = self._progress.add_task(stage, total=total, completed=done)

    def advance(self, manifest: ShardManifest) -> None:
        if self._task is not None:
            self._progress.advance(self._task)

    def end(self) -> None:
        if self._task is not None:
            self._progress.stop_task(self._task)
