"""Who asks, under which id, and until when: what a request carries besides its body."""

from __future__ import annotations

import re
import time
import uuid

from starlette.requests import HTTPConnection
from starlette.types import Scope

from smartypants.api.problems import FieldError, InvalidFields
from smartypants.auth.browsers import Site
from smartypants.auth.callers import Caller
from smartypants.auth.settings import AuthSettings
from smartypants.errors import NotAuthenticated, SmartyPantsError

REQUEST_ID = "X-Request-Id"
DEADLINE = "X-Deadline-Ms"
MAX_DEADLINE_MS = 3_600_000

_SCOPE_KEY = "smartypants.request_id"
_CALLER = "smartypants.caller"
_GOOD_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")


def set_request_id(scope: Scope) -> str:
    """The caller's id if it is a safe one to log and echo, else a new one."""
    sent = HTTPConnection(scope).headers.get(REQUEST_ID, "")
    request_id = sent if _GOOD_ID.fullmatch(sent) else uuid.uuid4().hex
    scope[_SCOPE_KEY] = request_id
    return request_id


def request_id(request: HTTPConnection) -> str:
    return str(request.scope.get(_SCOPE_KEY, ""))


def set_caller(scope: Scope, found: Caller | SmartyPantsError | None) -> None:
    """Who sends the request; or what is wrong with what it says of that."""
    scope[_CALLER] = found


def maybe_caller(request: HTTPConnection) -> Caller | None:
    """For routes that answer everybody, whatever they say who they are."""
    found = request.scope.get(_CALLER)
    return found if isinstance(found, Caller) else None


def problem_of_caller(request: HTTPConnection) -> SmartyPantsError | None:
    """Why what a request says of its sender is not believed."""
    found = request.scope.get(_CALLER)
    return found if isinstance(found, SmartyPantsError) else None


def caller(request: HTTPConnection) -> Caller:
    """Who sends the request. Raises `NotAuthenticated`, or why that could not be found out."""
    found = request.scope.get(_CALLER)
    if isinstance(found, Caller):
        return found
    if isinstance(found, SmartyPantsError):
        raise found
    raise NotAuthenticated(
        "This needs authentication.",
        "Send `Authorization: Bearer KEY` with an API key or a token, or log in.",
    )


def site(request: HTTPConnection, auth: AuthSettings) -> Site:
    """Where browsers reach us."""
    scheme = {"ws": "http", "wss": "https"}.get(request.url.scheme, request.url.scheme)
    return Site.of(auth.public_url, scheme, request.url.netloc)


def deadline(request: HTTPConnection) -> float | None:
    """When the caller stops waiting, in Unix seconds; the header is relative, as clocks differ."""
    sent = request.headers.get(DEADLINE)
    if sent is None:
        return None
    digits = sent.isascii() and sent.isdigit() and len(sent) <= len(str(MAX_DEADLINE_MS))
    if not digits or not 1 <= int(sent) <= MAX_DEADLINE_MS:
        message = f"must be a whole number of milliseconds from 1 to {MAX_DEADLINE_MS}"
        raise InvalidFields(
            f"The header {DEADLINE} {message}.", "", (FieldError(path=DEADLINE, message=message),)
        )
    return time.time() + int(sent) / 1000
