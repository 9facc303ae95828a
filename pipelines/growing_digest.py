"""The digest of a file while it is being written: who writes need not wait until all of it is read again."""

import hashlib
import os
from pathlib import Path

_READ_BYTES = 1 << 20


class GrowingDigest:
    """The digest of a file that grows."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._found = hashlib.sha256()

    def read_on(self) -> str:
        """Returns the digest of what is written so far."""
        while data := self._file.read(_READ_BYTES):
            self._found.update(data)
        return self._found.hexdigest()

    def sync(self) -> None:
        """Has the file on the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()
