"""Places in a bucket: `s3://bucket/key` as a path, so that a dataset or a source may lie there or on this machine.

A `BucketPath` does what the factory does with paths (join, read, write whole, list, remove) by object storage. A PUT is
atomic and invisible before it is complete, so nothing needs a temporary name or a rename. What only a file system can
do (locks, renames, memory maps, open descriptors) is refused by name instead of creating a folder called `s3:`.
"""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PosixPath
from typing import IO, TYPE_CHECKING, Any, NamedTuple, NoReturn

from pipelines.bucket_store import open_store
from pipelines.errors import UserError

if TYPE_CHECKING:
    from obstore.store import S3Store

SCHEME = "s3:"


class Found(NamedTuple):
    """One object below a place."""

    path: "BucketPath"
    size: int
    """Bytes."""
    modified: float
    """Seconds since 1970 on the storage's clock."""


class BucketPath(PosixPath):
    """A place in a bucket. Relative ones only come from `relative_to`."""

    __slots__ = ()

    def __str__(self) -> str:
        parts = self.parts
        return f"s3://{'/'.join(parts[1:])}" if parts[:1] == (SCHEME,) else "/".join(parts)

    def __fspath__(self) -> NoReturn:
        raise UserError(f"{self} is in a bucket; this needs a folder of this machine (give --out)")

    def __truediv__(self, key: Any) -> Any:  # noqa: ANN401 - as Path has it
        return place(key) if str(key).startswith(("/", f"{SCHEME}/")) else super().__truediv__(key)

    @property
    def bucket(self) -> str:
        if len(self.parts) < 2 or self.parts[0] != SCHEME:
            raise UserError(f"{self} names no bucket; write s3://BUCKET/FOLDER")
        return self.parts[1]

    @property
    def key(self) -> str:
        """The object's name in its bucket."""
        return "/".join(self.parts[2:])

    @property
    def _store(self) -> "S3Store":
        return open_store(self.bucket)

    def read_bytes(self) -> bytes:
        import obstore

        with _storage_errors(self):
            return bytes(obstore.get(self._store, self.key).bytes())

    def read_start(self, count: int) -> bytes:
        """Returns the first bytes; all of them where there are fewer."""
        import obstore

        with _storage_errors(self):
            size = obstore.head(self._store, self.key)["size"]
            return bytes(obstore.get_range(self._store, self.key, start=0, end=min(count, size))) if size else b""

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def write_bytes(self, data: "bytes | bytearray | memoryview[int]") -> int:  # type: ignore[override]
        import obstore

        with _storage_errors(self):
            obstore.put(self._store, self.key, bytes(data))
        return len(data)

    def create(self, data: bytes) -> bool:
        """Writes a whole object unless there is one; of any number of writers exactly one is told that it did."""
        import obstore

        try:
            with _storage_errors(self):
                obstore.put(self._store, self.key, data, mode="create")
        except FileExistsError:
            return False
        return True

    def stamp(self) -> tuple[str, float]:
        """Returns the version tag of the object and when it was written (seconds since 1970, storage's clock)."""
        import obstore

        with _storage_errors(self):
            found = obstore.head(self._store, self.key)
        return str(found["e_tag"]), found["last_modified"].timestamp()

    def replace_version(self, tag: str, data: bytes) -> str | None:
        """Overwrites the object if it still has that version tag; returns the new tag, or None where it has another."""
        import obstore

        try:
            with _storage_errors(self):
                return str(obstore.put(self._store, self.key, data, mode={"e_tag": tag})["e_tag"])
        except (InterruptedError, FileNotFoundError):
            return None

    def walk_objects(self) -> Iterator[Found]:
        """Yields every object below this place, by name."""
        import obstore

        prefix = f"{self.key}/" if self.key else ""
        with _storage_errors(self):
            for batch in obstore.list(self._store, prefix or None):
                for entry in batch:
                    place_of = BucketPath(SCHEME, self.bucket, *entry["path"].split("/"))
                    yield Found(place_of, entry["size"], entry["last_modified"].timestamp())

    def open(self, mode: str = "r", *arguments: Any, **options: Any) -> IO[Any]:  # type: ignore[override]  # noqa: ANN401
        if mode not in ("r", "rt", "rb"):
            self.__fspath__()
        file = io.BytesIO(self.read_bytes())
        return file if "b" in mode else io.TextIOWrapper(file, encoding=options.get("encoding") or "utf-8")

    def exists(self, *, follow_symlinks: bool = True) -> bool:
        return self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        import obstore

        try:
            with _storage_errors(self):
                obstore.head(self._store, self.key)
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        return next(self.walk_objects(), None) is not None

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        import obstore

        with _storage_errors(self):
            found = obstore.head(self._store, self.key)
        seconds = int(found["last_modified"].timestamp())
        return os.stat_result((stat.S_IFREG | 0o644, 0, 0, 1, 0, 0, found["size"], seconds, seconds, seconds))

    def unlink(self, missing_ok: bool = False) -> None:
        import obstore

        try:
            with _storage_errors(self):
                obstore.delete(self._store, self.key)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Does nothing: folders are a way to read names."""

    def iterdir(self) -> Iterator["BucketPath"]:  # type: ignore[override]
        return self.glob("*")

    def glob(self, pattern: str, **options: bool) -> Iterator["BucketPath"]:  # type: ignore[override]
        """Yields places below this one, one part of the pattern per level; `**` is not known here."""
        wanted, depth, seen = pattern.split("/"), len(self.parts), set()
        for found in self.walk_objects():
            levels = found.path.parts[depth : depth + len(wanted)]
            fits = len(levels) == len(wanted) and all(map(fnmatchcase, levels, wanted))
            if fits and levels not in seen:
                seen.add(levels)
                yield self.joinpath(*levels)

    def rglob(self, pattern: str, **options: bool) -> Iterator["BucketPath"]:  # type: ignore[override]
        return (found.path for found in self.walk_objects() if fnmatchcase(found.path.name, pattern))

    def resolve(self, strict: bool = False) -> "BucketPath":
        return self

    def absolute(self) -> "BucketPath":
        return self

    def is_absolute(self) -> bool:
        return True


def place(path: str | Path) -> Path:
    """Returns a path of this machine, or the place in a bucket that ``s3://bucket/key`` names."""
    if isinstance(path, BucketPath):
        return path
    text = str(path)
    if not text.startswith(f"{SCHEME}/"):  # pathlib makes one slash of two
        return Path(text)
    return BucketPath(SCHEME, *text[len(SCHEME) :].strip("/").split("/"))


@contextmanager
def _storage_errors(path: BucketPath) -> Iterator[None]:
    """Turns what the storage says into the errors of files, with the first line of its message."""
    from obstore import exceptions

    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(2, "no such object", str(path)) from error
    except exceptions.AlreadyExistsError as error:
        raise FileExistsError(17, "the object exists", str(path)) from error
    except exceptions.PreconditionError as error:
        raise InterruptedError(4, "the object has changed", str(path)) from error
    except exceptions.BaseError as error:
        text = str(error).strip().splitlines()[0][:300]
        raise OSError(5, f"object storage: {text}", str(path)) from error
