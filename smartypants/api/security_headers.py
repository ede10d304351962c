"""What browsers are told on every answer: not to guess, frame, keep, or share what they get."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from smartypants.api import context
from smartypants.auth.settings import AuthSettings

_DENIED: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": _DENIED,  # answers are data; a page says what it needs
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), "
    "payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",  # answers are for their caller alone
}
HSTS: Final = ("Strict-Transport-Security", "max-age=31536000")

_STARTS: Final = ("http.response.start", "websocket.http.response.start")


class SecurityHeaders:
    """Adds headers that a route has not set itself.

    `chosen` are the operator's: they go before ours and the routes', and an empty one leaves its
    header out. HSTS is sent where browsers reach us by https.
    """

    def __init__(self, app: ASGIApp, *, auth: AuthSettings, chosen: Mapping[str, str]) -> None:
        self.app = app
        self.auth = auth
        self.chosen = chosen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        secure = context.site(HTTPConnection(scope), self.auth).secure

        async def send_with_headers(message: Message) -> None:
            if message["type"] in _STARTS:
                self._add(MutableHeaders(scope=message), secure=secure)
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _add(self, headers: MutableHeaders, *, secure: bool) -> None:
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        if secure:
            headers.setdefault(*HSTS)
        for name, value in self.chosen.items():
            if value:
                headers[name] = value
            else:
                del headers[name]
