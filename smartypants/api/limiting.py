"""Rate limits and quotas in front of the routes, and the headers that tell of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import anyio.to_thread
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from smartypants.api import context, problems
from smartypants.auth.callers import Caller
from smartypants.errors import RateLimited
from smartypants.limits.headers import fields
from smartypants.limits.limiter import Limiter, Verdict
from smartypants.metering.payer import Payer

LIMITED: Final = "/v1/"
SPENDING: Final = ("/v1/search", "/v1/answers", "/v1/chat", "/v1/embeddings", "/v1/rerank")
"""What a spent budget of tokens refuses."""
TRY_AGAIN_LATER: Final = 1013  # of WebSocket close codes
DENIAL: Final = "websocket.http.response"  # of ASGI: a handshake is answered like a request
_SCOPE_KEY: Final = "smartypants.limits"


@dataclass(slots=True)
class Admission:
    """How the caller's limits stand, as of the last that was taken."""

    limiter: Limiter
    payer: Payer
    verdict: Verdict


class Limit:
    """Takes a request from its caller's limits, or answers 429. `limiter` is None without any."""

    def __init__(self, app: ASGIApp, limiter: Limiter | None) -> None:
        self.app = app
        self.limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        counted = scope["type"] in ("http", "websocket") and scope["path"].startswith(LIMITED)
        caller = context.maybe_caller(HTTPConnection(scope)) if counted else None
        if self.limiter is None or caller is None:
            await self.app(scope, receive, send)
            return
        payer, limiter = payer_of(caller), self.limiter
        spends = scope["path"].startswith(SPENDING)
        verdict = await anyio.to_thread.run_sync(lambda: limiter.admit(payer, spends_tokens=spends))
        admission = Admission(limiter, payer, verdict)
        scope[_SCOPE_KEY] = admission

        async def send_with_headers(message: Message) -> None:
            if message["type"].endswith("http.response.start"):
                MutableHeaders(scope=message).update(fields(admission.verdict.standings))
            await send(message)

        if verdict.refusal is None:
            await self.app(scope, receive, send_with_headers)
        else:
            await refuse(verdict.refusal, scope, receive, send_with_headers)


async def refuse(error: RateLimited, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or the handshake of a WebSocket."""
    if scope["type"] == "websocket" and DENIAL not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": error.code})
        return
    request_id = context.request_id(HTTPConnection(scope))
    response = problems.respond(error, request_id=request_id, path=scope["path"])
    await response(scope, receive, send)


def payer_of(caller: Caller) -> Payer:
    return Payer(caller.id, caller.name, caller.key_id)


async def take_documents(connection: HTTPConnection, count: int) -> None:
    """Raises `RateLimited` or `QuotaSpent`, and nothing is taken then."""
    await _take(connection, lambda limiter, payer: limiter.documents(payer, count))


async def take_question(connection: HTTPConnection) -> None:
    """A question over an open connection is a request of its own. Raises as `take_documents`."""
    await _take(connection, lambda limiter, payer: limiter.admit(payer, spends_tokens=True))


async def _take(connection: HTTPConnection, call: Callable[[Limiter, Payer], Verdict]) -> None:
    admission: Admission | None = connection.scope.get(_SCOPE_KEY)
    if admission is None:
        return
    limiter, payer = admission.limiter, admission.payer
    admission.verdict = await anyio.to_thread.run_sync(call, limiter, payer)
    admission.verdict.check()
