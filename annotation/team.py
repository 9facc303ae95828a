"""Annotators who can log in: created as people are, by the server's invitation link.

The server's own call for creating users makes accounts that cannot log in, so the sign-up form is filled in instead.
"""

import re
import secrets
from urllib.parse import quote

import httpx

from annotation.client import Client
from annotation.errors import LabelStudioError, ServerUnreachable
from annotation.workplace import Annotator, Workplace

DOMAIN = "annotators.hopyard.local"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_FORM_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


def check_name(name: str) -> str:
    """Returns the name of an annotator.

    Raises:
        LabelStudioError: it is not lower-case letters, digits, dots, dashes and underscores.
    """
    if not NAME.fullmatch(name):
        raise LabelStudioError(f"{name!r} is no annotator's name: up to 40 of a-z, 0-9, dot, dash, underscore")
    return name


def add_annotator(client: Client, workplace: Workplace, name: str) -> tuple[Annotator, bool]:
    """Returns the annotator of that name and whether it is new. The password is stored before the server learns it.

    Raises:
        LabelStudioError: the name cannot be used, or the server knows somebody by it whose password is not known here.
    """
    check_name(name)
    team = workplace.read_team()
    known = next((annotator for annotator in team if annotator.name == name), None)
    if known is not None and known.user_id:
        return known, False
    email = f"{name}@{DOMAIN}"
    annotator = known or Annotator(name=name, email=email, user_id=0, password=secrets.token_urlsafe(9))
    if known is None:
        workplace.write_team((*team, annotator))
    user_id = client.find_user(email)
    if user_id is None:
        _sign_up(client, annotator)
        user_id = client.find_user(email)
    if user_id is None:
        raise LabelStudioError(f"{client.url} did not create the annotator {name}")
    done = annotator.model_copy(update={"user_id": user_id})
    workplace.write_team(tuple(done if one.name == name else one for one in workplace.read_team()))
    return done, True


def _sign_up(client: Client, annotator: Annotator) -> None:
    page = f"/user/signup/?token={quote(client.invitation())}"
    try:
        with httpx.Client(base_url=client.url, timeout=60.0, trust_env=False) as browser:
            form = _FORM_TOKEN.search(browser.get(page).text)
            if form is None:
                raise LabelStudioError(f"{client.url} shows no sign-up form at its invitation link")
            fields = {"email": annotator.email, "password": annotator.password, "csrfmiddlewaretoken": form[1]}
            answer = browser.post(
                page, data={**fields, "allow_newsletters": "false"}, headers={"Referer": client.url + page}
            )
    except httpx.TransportError as error:
        raise ServerUnreachable(f"Label Studio at {client.url} cannot be reached: {error}") from error
    if answer.status_code != 302:
        raise LabelStudioError(f"{client.url} did not create {annotator.name}: HTTP {answer.status_code}")
