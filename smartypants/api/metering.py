"""Binds whose account a request is on, and counts it."""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from smartypants.api import context
from smartypants.api.limiting import LIMITED, payer_of
from smartypants.metering import payer
from smartypants.metering.meter import Meter


class Account:
    """What the request uses is on its caller's account; routing says which route it was."""

    def __init__(self, app: ASGIApp, meter: Meter) -> None:
        self.app = app
        self.meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        counted = scope["type"] in ("http", "websocket") and scope["path"].startswith(LIMITED)
        caller = context.maybe_caller(HTTPConnection(scope)) if counted else None
        if caller is None:
            await self.app(scope, receive, send)
            return
        with payer.paying(payer_of(caller)):
            try:
                await self.app(scope, receive, send)
            finally:
                self.meter.requested(payer.current())
