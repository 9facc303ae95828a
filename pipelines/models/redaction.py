"""Secrets stay in the environment: what comes back from outside is cleared of them before it is kept or shown."""

import os
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

HIDDEN = "[redacted]"
_BEARER = re.compile(r"(?i)\b(bearer\s+)[^\s\"',;\\]+")
_ADDRESS = re.compile(r"https?://\S+")
_SHORTEST = 6
"""A shorter value is no secret, and hiding it would mangle ordinary text."""


def secrets_of(names: Iterable[str]) -> tuple[str, ...]:
    """Returns the values of environment variables that are set, longest first."""
    values = {os.environ.get(name, "") for name in names}
    return tuple(sorted((value for value in values if len(value) >= _SHORTEST), key=len, reverse=True))


def redact(text: str, secrets: Iterable[str]) -> str:
    """Returns the text without the secrets and without any bearer token."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return _BEARER.sub(rf"\g<1>{HIDDEN}", text)


def endpoint_name(url: str) -> str:
    """Returns a URL as it may be shown: without user, password, query and fragment."""
    split = urlsplit(url)
    host = split.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = f":{split.port}" if split.port is not None else ""
    return f"{split.scheme}://{host}{port}{split.path}"


def with_plain_addresses(text: str) -> str:
    """Returns a text whose addresses are as `endpoint_name` shows them; one that is none is hidden."""
    return _ADDRESS.sub(lambda found: _plain(found[0]), text)


def _plain(url: str) -> str:
    try:
        return endpoint_name(url)
    except ValueError:
        return HIDDEN


def is_this_machine(url: str) -> bool:
    """Returns whether a URL's host is this machine by its loopback address; a name is not looked up."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
