"""The committed parts of a dataset as a file system of DuckDB's that only reads, and only them.

DuckDB lets a statement overwrite every file that it may read (``COPY ... TO`` with ``use_tmp_file false``). Here it may
read names, not files: whatever a statement asks for comes to this module, which knows the parts and no way to write.
"""

import os
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem

SCHEME = "hopyard://"


class PartFiles(AbstractFileSystem):  # type: ignore[misc]
    """Parts by their paths below the dataset; there are no folders, and nothing else exists."""

    protocol = SCHEME.removesuffix("://")
    cachable = False

    def __init__(self, root: Path, parts: Iterable[str]) -> None:
        super().__init__()
        self._root = root
        self._parts = frozenset(parts)

    def open(self, path: str, mode: str = "rb", **_: Any) -> "_OpenPart":  # noqa: ANN401 - fsspec's signature
        """Opens a part for reading.

        Raises:
            PermissionError: the mode is another one.
            FileNotFoundError: there is no such part.
        """
        if mode != "rb":
            raise PermissionError(f"{path} cannot be written: parts are immutable")
        return _OpenPart(self._place(path))

    def info(self, path: str, **_: Any) -> dict[str, Any]:  # noqa: ANN401
        """Returns what is known of a part."""
        state = os.stat(self._place(path))
        return {"name": _name(path), "size": state.st_size, "type": "file", "mtime": state.st_mtime}

    def modified(self, path: str) -> datetime:
        """Returns when a part was written."""
        return datetime.fromtimestamp(self.info(path)["mtime"], UTC)

    def exists(self, path: str, **_: Any) -> bool:  # noqa: ANN401
        """Whether there is such a part, also on the disk."""
        return _name(path) in self._parts and (self._root / _name(path)).is_file()

    def glob(self, path: str, **_: Any) -> list[str]:  # noqa: ANN401
        """Returns the part of that very name; patterns match nothing."""
        return [_name(path)] if self.exists(path) else []

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:  # noqa: ANN401
        """Lists nothing."""
        raise PermissionError(f"{path} cannot be listed")

    def _place(self, path: str) -> Path:
        name = _name(path)
        if name not in self._parts:
            raise FileNotFoundError(f"{path} is no part of the dataset")
        return self._root / name


class _OpenPart:
    """An open part. DuckDB's threads share one, and each of them seeks and then reads: so each has its own position.

    DuckDB forgets its handles rather than closing them, so that is what closes this one.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = -1
        self._positions: dict[int, int] = {}
        """By thread."""
        self._descriptor = os.open(path, os.O_RDONLY)

    def read(self, count: int) -> bytes:
        """Returns the next bytes, as many unless the part ends before."""
        position = self.tell()
        found = os.pread(self._descriptor, count, position)
        self._positions[threading.get_ident()] = position + len(found)
        return found

    def seek(self, position: int, _: int = os.SEEK_SET) -> int:
        """Goes to a position, counted from the start."""
        self._positions[threading.get_ident()] = position
        return position

    def tell(self) -> int:
        """Returns the position."""
        return self._positions.get(threading.get_ident(), 0)

    def close(self) -> None:
        """Closes the part, once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()


def _name(path: str) -> str:
    return path.removeprefix(SCHEME)
