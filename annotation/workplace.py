"""A workplace: the folder that says which Label Studio server is used, with what credentials, by which team.

    WORKPLACE/credentials.json   address, token and (own server) the administrator's login; readable by its owner only
    WORKPLACE/team.json          annotators with their logins; the same
    WORKPLACE/media/             pictures that the server shows
    WORKPLACE/label-studio/      the own server's database and files
    WORKPLACE/server.log

It exists for an own server and for somebody else's alike. Secrets stay here: none is in a dataset, a log or a report.
"""

import json
import os
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from annotation.errors import LabelStudioError
from schemas.record import Record

Kept = TypeVar("Kept", bound=Record)

TOKEN_VARIABLE = "HOPYARD_LABEL_STUDIO_TOKEN"
"""Environment variable with the token of somebody else's server."""


class Credentials(Record):
    """How the server is reached."""

    url: str
    token: str = ""
    """Empty for somebody else's server: its token comes from the environment and is never stored."""
    email: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Credentials(url={self.url!r})"

    __str__ = __repr__


class Annotator(Record):
    """One person, as the server knows them."""

    name: str
    email: str
    user_id: int
    password: str = ""
    """What they were given at first; empty where somebody else keeps it."""

    def __repr__(self) -> str:
        return f"Annotator(name={self.name!r}, user_id={self.user_id})"

    __str__ = __repr__


class Team(Record):
    """The annotators, in the order they were added."""

    annotators: tuple[Annotator, ...] = ()


class Workplace:
    """Reads and writes the files of a workplace folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def media(self) -> Path:
        return self.folder / "media"

    @property
    def data(self) -> Path:
        return self.folder / "label-studio"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def credentials_file(self) -> Path:
        return self.folder / "credentials.json"

    @property
    def team_file(self) -> Path:
        return self.folder / "team.json"

    def read_credentials(self) -> Credentials | None:
        """Returns the stored credentials; None where there are none.

        Raises:
            LabelStudioError: the file is damaged.
        """
        return _read(self.credentials_file, Credentials)

    def connection(self) -> Credentials:
        """Returns address and token, the token from the environment where none is stored.

        Raises:
            LabelStudioError: the folder names no server, or there is no token for it.
        """
        found = self.read_credentials()
        if found is None:
            raise LabelStudioError(
                f"{self.folder} names no Label Studio server: start one with `hopyard annotate serve --data-dir "
                f"{self.folder}`, or name yours with --url"
            )
        token = os.environ.get(TOKEN_VARIABLE, "") or found.token
        if not token:
            raise LabelStudioError(f"the server {found.url} needs a token: set {TOKEN_VARIABLE}")
        return found.model_copy(update={"token": token})

    def write_credentials(self, credentials: Credentials) -> None:
        _write_private(self.credentials_file, credentials)

    def read_team(self) -> tuple[Annotator, ...]:
        """Returns the annotators, in the order they were added."""
        team = _read(self.team_file, Team)
        return () if team is None else team.annotators

    def write_team(self, annotators: tuple[Annotator, ...]) -> None:
        _write_private(self.team_file, Team(annotators=annotators))


def _read(path: Path, kind: type[Kept]) -> Kept | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError, ValueError) as error:
        raise LabelStudioError(f"{path} cannot be read ({type(error).__name__}); remove it or put it right") from None


def _write_private(path: Path, record: Record) -> None:
    """Writes the whole file or nothing, readable by its owner only from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(record.model_dump(mode="json"), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
