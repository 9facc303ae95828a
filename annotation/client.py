"""What is asked of a Label Studio server, through its SDK, as the administrator.

Nothing here retries: callers know what is safe. What the server says is looked at before it is used.
"""

import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from annotation.errors import LabelStudioError, Refused, ServerUnreachable
from annotation.wire import Wire
from annotation.workplace import Credentials

if TYPE_CHECKING:
    from label_studio_sdk.base_client import LabelStudioBase

TIMEOUT_SECONDS = 60.0
EVERYTHING = {"filters": {"conjunction": "and", "items": []}}
_STORAGES = {"localfiles": "local", "s3": "s3"}
"""What the SDK calls the server's kinds of storage."""


class ServerProject(NamedTuple):
    """A project as the server has it."""

    project_id: int
    title: str
    label_config: str
    tasks: int
    """How many it has, as the server counts them; a hint."""
    counts: str
    """The server's counters, to see whether any moved."""


class Client:
    """Calls as the administrator. Keeps one connection; not for several threads."""

    def __init__(
        self, credentials: Credentials, timeout: float = TIMEOUT_SECONDS, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = credentials.url.rstrip("/")
        self._wire = Wire(self.url, transport or httpx.HTTPTransport(retries=0))
        self._http = httpx.Client(transport=self._wire, timeout=timeout, follow_redirects=False, trust_env=False)
        self.sdk = _open_sdk(self.url, credentials.token, self._http)
        """For calls that have no method here; inside `reading`, which tells what fails."""

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Tells what fails in a call of the SDK, or in reading its answer, as one of our errors.

        Raises:
            ServerUnreachable, Refused: as the wire says.
            LabelStudioError: what answers does not say what Label Studio says.
        """
        from label_studio_sdk.core.api_error import ApiError
        from label_studio_sdk.core.parse_error import ParsingError

        try:
            yield
        except httpx.InvalidURL as error:
            raise ServerUnreachable(f"Label Studio at {self.url} cannot be reached: {error}") from error
        except (ApiError, ParsingError, ValueError, RecursionError) as error:
            told = f"the answer to {self._wire.asked} is not JSON"
            raise LabelStudioError(f"{told}: is this a Label Studio server?") from error
        except (AttributeError, KeyError, TypeError) as error:
            told = f"the answer to {self._wire.asked} lacks something ({error})"
            raise LabelStudioError(f"{told}: is this a Label Studio server?") from error

    def server_time(self) -> float | None:
        """Returns the server's clock, seconds since the epoch; None where it does not tell."""
        with self.reading():
            self.sdk.versions.get()
        return self._wire.server_time

    def whoami(self) -> str:
        """Returns the e-mail address that the server knows the token by."""
        with self.reading():
            return _text(self.sdk.users.whoami().email)

    def find_user(self, email: str) -> int | None:
        """Returns the id of the user with that address; None where there is none."""
        with self.reading():
            return next((_number(user.id) for user in self.sdk.users.list() if user.email == email), None)

    def invitation(self) -> str:
        """Returns the secret of the link by which people sign up."""
        with self.reading():
            return _text(self.sdk.organizations.invites.get_invite_link().token)

    def project(self, project_id: int) -> ServerProject:
        """Returns a project; `Refused` with status 404 where there is none."""
        with self.reading():
            found = self.sdk.projects.get(project_id)
            counters = (
                found.task_number,
                found.num_tasks_with_annotations,
                found.total_annotations_number,
                found.skipped_annotations_number,
            )
            return ServerProject(
                _number(found.id),
                _text(found.title),
                _text(found.label_config),
                _number(found.task_number),
                json.dumps(counters),
            )

    def find_project(self, title: str) -> int | None:
        """Returns the id of the project with exactly that title; None where there is none."""
        with self.reading():
            page = self.sdk.projects.list(title=title, page_size=100)
            return next((_number(project.id) for project in page.items or () if project.title == title), None)

    def create_project(self, body: Mapping[str, Any]) -> int:
        """Returns the id of a new project."""
        with self.reading():
            return _number(self.sdk.projects.create(**body).id)

    def set_screen(self, project_id: int, label_config: str) -> None:
        with self.reading():
            self.sdk.projects.update(project_id, label_config=label_config)

    def storages(self, kind: str, project_id: int) -> list[dict[str, Any]]:
        """Returns where a project finds pictures, of one kind: localfiles or s3."""
        with self.reading():
            calls = getattr(self.sdk.import_storage, _STORAGES[kind]).with_raw_response
            return _dictionaries(calls.list(project=project_id).response.json())

    def add_storage(self, kind: str, project_id: int, settings: Mapping[str, Any]) -> None:
        with self.reading():
            getattr(self.sdk.import_storage, _STORAGES[kind]).create(project=project_id, **settings)

    def import_tasks(self, project_id: int, tasks: Sequence[Mapping[str, Any]]) -> list[int]:
        """Imports tasks, and does so again where they were there, and returns their ids.

        Raises:
            ServerUnreachable: nobody knows which of them are there now: ask before importing again.
        """
        with self.reading():
            done = self.sdk.projects.import_tasks(project_id, request=list(tasks), return_task_ids=True)
            ids = [_number(number) for number in done.task_ids or ()]
        if len(ids) != len(tasks):
            raise ServerUnreachable(f"an import of {len(tasks)} tasks gave {len(ids)}; the same command asks again")
        return ids

    def tasks(
        self, project_id: int, query: Mapping[str, Any] = EVERYTHING, fields: str = "all", page_size: int = 1_000
    ) -> list[dict[str, Any]]:
        """Returns a project's tasks that match, as the server wrote them; `page_size` at most.

        ``sdk.tasks.list`` has no raw form and makes two kinds of one page's tasks, one with times and one with text in
        their place. So this one call goes over the SDK's connection below its methods, and what annotators wrote is
        read by our own parser only.
        """
        asked = {"project": project_id, "fields": fields, "query": json.dumps(query), "page_size": page_size}
        with self.reading():
            connection = self.sdk._client_wrapper.httpx_client
            return _dictionaries(connection.request("api/tasks/", method="GET", params=asked).json()["tasks"])

    def delete_task(self, task_id: int) -> None:
        with self.reading():
            self.sdk.tasks.delete(str(task_id))

    def webhooks(self, project_id: int) -> dict[int, Any]:
        """Returns the headers of each webhook of a project, by its id."""
        with self.reading():
            return {_number(hook.id): hook.headers for hook in self.sdk.webhooks.list(project=str(project_id))}

    def create_webhook(self, settings: Mapping[str, Any]) -> None:
        with self.reading():
            self.sdk.webhooks.create(**settings)

    def delete_webhook(self, webhook_id: int) -> None:
        with self.reading():
            self.sdk.webhooks.delete(webhook_id)


def check_identity(client: Client) -> str:
    """Returns the e-mail address that the server knows the token by.

    Raises:
        LabelStudioError: the token is not accepted, or what answers is not Label Studio.
    """
    try:
        return client.whoami()
    except Refused as error:
        if error.status in (401, 403):
            raise LabelStudioError(
                f"the server {client.url} does not accept the token (HTTP {error.status})"
            ) from error
        raise LabelStudioError(f"{client.url} is not a Label Studio server (HTTP {error.status} to whoami)") from error


def require_sdk() -> None:
    """Checks that the SDK is installed; without importing it.

    Raises:
        LabelStudioError: it is not.
    """
    if importlib.util.find_spec("label_studio_sdk") is None:
        raise LabelStudioError("talking to Label Studio needs its SDK: pip install 'hopyard[annotate]'")


def _open_sdk(url: str, token: str, http: httpx.Client) -> "LabelStudioBase":
    """Returns the SDK on a connection of ours. It repeats nothing.

    Its base: ``LabelStudio`` itself adds helpers for labelling screens and data frames, which nobody needs here and
    which take seconds to import.
    """
    require_sdk()
    from label_studio_sdk.base_client import LabelStudioBase
    from label_studio_sdk.core.api_error import ApiError

    if not token.isascii() or not token.isprintable() or " " in token:
        raise LabelStudioError(f"the token for {url} holds characters that no token has")
    try:
        return LabelStudioBase(base_url=url, api_key=token, httpx_client=http, max_retries=0)
    except ApiError as error:
        raise LabelStudioError(f"the token for {url} has expired, or never expires; make a new one") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text in place of {value!r:.60}")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"a whole number in place of {value!r:.60}")
    return value


def _dictionaries(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise TypeError(f"a list of objects in place of {value!r:.60}")
    return value
