"""The gate: what an annotator may ask of the server, as a list of what is allowed. Runs in the server's environment.

Label Studio's community edition knows no roles: every user may read every answer, export, delete projects and record
answers in another's name. Behind this gate a user who is no administrator reaches their own projects (those whose
description is ``For <e-mail>``), in them their own answers, and the pages and calls that the labelling screen needs.
Everything else is refused, tokens of annotators included: they log in, as people do.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict

READ = ("GET", "HEAD", "OPTIONS")
PUBLIC = re.compile(
    r"/(static|react-app|dm|label-studio-frontend|user/login|user/signup)(/.*)?|/(sw\.js|sw-fallback\.js|favicon\.ico)"
    r"|/(logout|health|version|api/version|feature-flags|heidi-tips|__lsa|projects|api/session-policy)/?|/"
)
"""Without a login too, or harmless once logged in: pages and files that hold no data."""
OWN_ACCOUNT = re.compile(r"/api/current-user/(whoami|hotkeys|product-tour)/?")
PROJECT_PAGE = re.compile(r"/projects/(?P<project>\d+)(/|/data/?)?")
PROJECT_CALL = re.compile(r"/api/projects/(?P<project>\d+)/?(next|label-stream-history|summary)?/?")
MANAGER_CALL = re.compile(r"/api/dm/(project|columns|views|actions)/?")
MANAGER_VIEW = re.compile(r"/api/dm/views/(?P<view>\d+)/?")
TASK_LIST = re.compile(r"/api/tasks/?")
TASK_CALL = re.compile(r"/api/tasks/(?P<task>\d+)/?(?P<part>annotations|drafts)?/?")
TASK_FILE = re.compile(r"/(tasks/(?P<task>\d+)/(resolve|presign)|data/local-files)/?")
ANNOTATION = re.compile(r"/api/annotations/(?P<annotation>\d+)/?")
ANNOTATION_DRAFTS = re.compile(r"/api/tasks/(?P<task>\d+)/annotations/(?P<annotation>\d+)/drafts/?")
DRAFT = re.compile(r"/api/drafts/(?P<draft>\d+)/?")
LISTS = re.compile(r"/api/(projects|projects/counts|users)/?")

ANSWER_FIELDS = {"result", "lead_time", "was_cancelled", "draft_id", "started_at"}
"""What a browser may state of an answer; whose it is and when it was made is for the server to say."""
VIEW_FIELDS = {"data", "project"}
MOST_BODY = 4 << 20
NOTHING = re.compile(r"/api/(ml|label_links)/?")
"""The screen asks for them; there are none."""
SCREEN = (Path(__file__).parent / "hopyard_screen.html").read_bytes()
"""Put into the labelling page: no panels that are of no use here, and the cursor in the number's field."""


class Gate:
    """Refuses what an annotator has no business with, and leaves others' data out of what they may read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._answer(request)
        return _with_screen(response) if PROJECT_PAGE.fullmatch(request.path) else response

    def _answer(self, request: HttpRequest) -> HttpResponse:
        if PUBLIC.fullmatch(request.path):
            return self.get_response(request)
        user = _user_of(request)
        if user is not None and user.is_superuser:
            return self.get_response(request)
        if "HTTP_AUTHORIZATION" in request.META:
            return _refuse("tokens are for the administrator", 401)
        if user is None:
            return self.get_response(request) if request.method in READ and _is_page(request.path) else _refuse("", 401)
        if NOTHING.fullmatch(request.path) and request.method in READ:
            return JsonResponse([], safe=False)
        if not _is_allowed(request, user):
            return _refuse("not for annotators")
        return _without_others(self.get_response(request), request.path, user)


def _is_page(path: str) -> bool:
    """Whether the server answers with its login form to somebody it does not know."""
    return not path.startswith(("/api/", "/data/", "/tasks/"))


def _user_of(request: HttpRequest):
    """Returns who asks: by session, or by the token in the header; None where nobody is logged in."""
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if header:
        from rest_framework.authtoken.models import Token

        kind, _, key = header.partition(" ")
        if kind == "Token":
            token = Token.objects.select_related("user").filter(key=key.strip()).first()
            return None if token is None else token.user
        # A bearer token was looked at by the server's own middleware, which put its user here.
    user = getattr(request, "user", None)
    return user if user is not None and user.is_authenticated else None


def _is_allowed(request: HttpRequest, user) -> bool:
    path, reads = request.path, request.method in READ
    if OWN_ACCOUNT.fullmatch(path):
        return reads or request.method == "PATCH"
    if LISTS.fullmatch(path):
        return reads
    if found := PROJECT_PAGE.fullmatch(path) or PROJECT_CALL.fullmatch(path):
        return reads and _owns(user, found["project"])
    if MANAGER_CALL.fullmatch(path) or MANAGER_VIEW.fullmatch(path):
        return _is_allowed_in_manager(request, user)
    if TASK_LIST.fullmatch(path):
        return reads and _lists_own(request, user)
    if found := TASK_FILE.fullmatch(path):
        return reads and (found["task"] is None or _owns_task(user, found["task"]))
    return _is_allowed_answering(request, user)


def _is_allowed_in_manager(request: HttpRequest, user) -> bool:
    found = MANAGER_VIEW.fullmatch(request.path)
    if found:
        if not _owns_view(user, found["view"]) or request.method == "DELETE":
            return False
    elif request.method in READ or request.path.rstrip("/").endswith("/actions"):
        if not _owns(user, request.GET.get("project")) or not _owns_view(user, request.GET.get("view"), True):
            return False
    if request.method in READ:
        return True
    if request.path.rstrip("/").endswith("/actions"):
        return request.method == "POST" and request.GET.getlist("id") == ["next_task"]
    body = _body(request)
    if body is None or not set(body) <= VIEW_FIELDS | {"id", "title", "order", "selectedItems"}:
        return False
    return _owns(user, body.get("project", request.GET.get("project"))) and request.method in ("POST", "PUT", "PATCH")


def _is_allowed_answering(request: HttpRequest, user) -> bool:
    path, reads = request.path, request.method in READ
    if found := ANNOTATION_DRAFTS.fullmatch(path):
        own = _owns_task(user, found["task"]) and _owns_answer(user, found["annotation"])
        return own and (reads or (request.method == "POST" and _state_only(request, ANSWER_FIELDS)))
    if found := TASK_CALL.fullmatch(path):
        if not _owns_task(user, found["task"]):
            return False
        return reads or (found["part"] is not None and request.method == "POST" and _state_only(request, ANSWER_FIELDS))
    if found := ANNOTATION.fullmatch(path):
        writes = request.method in ("PATCH", "PUT") and _state_only(request, ANSWER_FIELDS)
        return _owns_answer(user, found["annotation"]) and (reads or writes)
    if found := DRAFT.fullmatch(path):
        writes = request.method == "DELETE" or (request.method == "PATCH" and _state_only(request, ANSWER_FIELDS))
        return _owns_draft(user, found["draft"]) and (reads or writes)
    return False


def _owns(user, project: object) -> bool:
    from projects.models import Project

    return str(project).isdigit() and Project.objects.filter(id=int(project), description=f"For {user.email}").exists()


def _owns_task(user, task: str) -> bool:
    from tasks.models import Task

    return _owns(user, Task.objects.filter(id=int(task)).values_list("project_id", flat=True).first())


def _owns_answer(user, annotation: str) -> bool:
    from tasks.models import Annotation

    found = Annotation.objects.filter(id=int(annotation), completed_by_id=user.id).first()
    return found is not None and _owns(user, found.project_id)


def _owns_draft(user, draft: str) -> bool:
    from tasks.models import AnnotationDraft

    found = AnnotationDraft.objects.filter(id=int(draft), user_id=user.id).select_related("task").first()
    return found is not None and _owns(user, found.task.project_id)


def _owns_view(user, view: object, may_lack: bool = False) -> bool:
    from data_manager.models import View

    if view is None:
        return may_lack
    project = View.objects.filter(id=int(view)).values_list("project_id", flat=True).first() if _number(view) else None
    return _owns(user, project)


def _lists_own(request: HttpRequest, user) -> bool:
    """Whether a task list is asked of own projects only: by project, by view, or both."""
    project, view = request.GET.get("project"), request.GET.get("view")
    if project is None and view is None:
        return False
    return (project is None or _owns(user, project)) and _owns_view(user, view, True)


def _number(value: object) -> bool:
    return str(value).isdigit()


def _body(request: HttpRequest) -> dict | None:
    """Returns what the server will read; None where it is no JSON object: as a form the same bytes say other things."""
    if not request.body:
        return {}
    if request.content_type != "application/json":
        return None
    try:
        body = json.loads(request.body) if len(request.body) <= MOST_BODY else None
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _state_only(request: HttpRequest, fields: set[str]) -> bool:
    """Leaves only these fields in the body, and nothing in the query but the project; False where it is no object."""
    body = _body(request)
    if body is None:
        return False
    request._body = json.dumps({name: body[name] for name in body if name in fields}).encode()
    request.META["CONTENT_LENGTH"] = str(len(request._body))
    query = QueryDict(mutable=True)
    if "project" in request.GET:
        query["project"] = request.GET["project"]
    request.GET = query
    return True


def _without_others(response: HttpResponse, path: str, user) -> HttpResponse:
    """Leaves other people and their projects out of lists, and their answers out of tasks."""
    if "application/json" not in response.get("Content-Type", "") or getattr(response, "streaming", False):
        return response
    try:
        data = json.loads(response.content)
    except ValueError:
        return response
    if LISTS.fullmatch(path):
        data = _own_items(data, path, user)
    elif "/tasks" in path or "/next" in path or "/dm/" in path:
        data = _own_answers(data, user)
    else:
        return response
    response.content = json.dumps(data).encode()
    response["Content-Length"] = str(len(response.content))
    return response


def _with_screen(response: HttpResponse) -> HttpResponse:
    if "text/html" in response.get("Content-Type", "") and not getattr(response, "streaming", False):
        response.content = response.content.replace(b"</body>", SCREEN + b"</body>", 1)
        response["Content-Length"] = str(len(response.content))
    return response


def _own_items(data, path: str, user):
    items = data.get("results", []) if isinstance(data, dict) else data
    if "/users" in path:
        kept = [item for item in items if item.get("id") == user.id]
    else:
        kept = [item for item in items if _owns(user, item.get("id"))]
    return {**data, "results": kept, "count": len(kept)} if isinstance(data, dict) else kept


def _own_answers(data, user):
    """Returns the data without answers of others, at any depth."""
    if isinstance(data, list):
        return [_own_answers(item, user) for item in data]
    if not isinstance(data, dict):
        return data
    shown = {name: _own_answers(value, user) for name, value in data.items()}
    for name, owner in (("annotations", "completed_by"), ("drafts", "user")):
        if isinstance(shown.get(name), list):
            shown[name] = [item for item in shown[name] if _is_by(item, owner, user)]
    for name in ("annotators", "annotations_results", "annotations_ids", "updated_by", "comment_authors"):
        if name in shown:
            shown[name] = [] if isinstance(shown[name], list) else ""
    return shown


def _is_by(item, owner: str, user) -> bool:
    by = item.get(owner) if isinstance(item, dict) else None
    by = by.get("id") if isinstance(by, dict) else by
    return by == user.id or by == user.email


def _refuse(detail: str, status: int = 403) -> JsonResponse:
    return JsonResponse({"detail": detail or "log in first"}, status=status)
