"""Finds out once who sends a request, before any route sees it."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from smartypants.api import context
from smartypants.auth.authenticating import Authenticator
from smartypants.auth.browsers import (
    SAFE_METHODS,
    Site,
    check_csrf,
    check_host,
    check_origin,
    cookies,
)
from smartypants.auth.callers import Caller
from smartypants.errors import SmartyPantsError


@dataclass(frozen=True, slots=True)
class Sent:
    """What a request says of its sender."""

    authorization: str | None
    session: str | None


def sent(connection: HTTPConnection, site: Site) -> Sent:
    found = cookies(connection.headers.get("Cookie"))
    return Sent(connection.headers.get("Authorization"), found.get(site.session_cookie) or None)


class Authenticate:
    """Resolves the caller, or notes why it can't; a route that needs one says so.

    A browser's requests that change something have to come from our own pages, where the browser
    itself is what is trusted: those of a session, and in open mode all.
    """

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self.app = app
        self.authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            connection = HTTPConnection(scope)
            try:
                context.set_caller(scope, await identify(self.authenticator, connection))
            except SmartyPantsError as exc:
                context.set_caller(scope, exc)
        await self.app(scope, receive, send)


async def identify(authenticator: Authenticator, connection: HTTPConnection) -> Caller | None:
    """Who sends it, as of now; None: it did not say. Raises what `Authenticator.caller` does."""
    auth = authenticator.settings
    site = context.site(connection, auth)
    caller = await authenticator.caller(sent(connection, site))
    if caller is None or caller.how not in ("session", "open"):
        return caller
    if caller.how == "open":
        check_host(connection.headers.get("Host", ""), auth.public_url)
    if connection.scope["type"] == "websocket":
        if caller.how == "session":  # browsers send no header of ours there
            check_origin(site, connection.headers)
    elif connection.scope["method"] not in SAFE_METHODS:
        check_origin(site, connection.headers)
        if caller.how == "session":
            check_csrf(caller, connection.headers)
    return caller
