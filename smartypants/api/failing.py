"""Refuses addresses that fail to authenticate too often, before anything they send is looked at."""

from __future__ import annotations

import anyio.to_thread
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from smartypants.api.chat_socket import AUTHENTICATION
from smartypants.api.limiting import refuse
from smartypants.errors import NotAuthenticated, RateLimited
from smartypants.limits.failures import FailureLimit


class LimitFailures:
    """Counts what is answered 401, and answers 429 from then on. `limit` is None without one."""

    def __init__(self, app: ASGIApp, limit: FailureLimit | None) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = self.limit
        if limit is None or scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        client = HTTPConnection(scope).client
        address = client.host if client else ""
        refused = limit.refusal(address)
        if refused is not None:
            await refuse(refused, scope, receive, send)
            return
        answered: RateLimited | None = None

        async def send_or_refuse(message: Message) -> None:
            nonlocal answered
            if _failed(message):
                answered = await anyio.to_thread.run_sync(limit.failed, address)
                if answered is not None and message["type"] == "http.response.start":
                    await refuse(answered, scope, receive, send)
            if answered is None or message["type"] == "websocket.close":
                await send(message)

        await self.app(scope, receive, send_or_refuse)


def _failed(message: Message) -> bool:
    if message["type"] == "websocket.close":
        return bool(message.get("code") == AUTHENTICATION)
    return bool(message.get("status") == NotAuthenticated.status)
