"""What every request leaves in the audit log: who sent it, what it was shown, that it was refused.

Changes are recorded where they are made, in the ledger.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from smartypants.api import context
from smartypants.api.services import AnswerRequest, Services
from smartypants.auditing import events
from smartypants.auditing.source import Source, acting
from smartypants.auditing.trail import AuditTrail
from smartypants.auth.roles import Role
from smartypants.errors import Forbidden, LoginFailed
from smartypants.types import AnswerEvent, Query, SearchResult

CALLBACK = "/auth/callback/"
MAX_AGENT_CHARS = 200


class Audit:
    """Binds the source of what the request does, and records refusals.

    A request that says nothing of its sender is refused too, but that is no event.
    """

    def __init__(self, app: ASGIApp, trail: AuditTrail) -> None:
        self.app = app
        self.trail = trail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)

        async def send_noting_refusals(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = refusal(connection, message["status"])
                if found is not None:
                    await self.trail.record(found)
            await send(message)

        with acting(source(connection)):
            await self.app(scope, receive, send_noting_refusals)


def source(connection: HTTPConnection) -> Source:
    """The caller, as far as it is known, and where it is."""
    caller = context.maybe_caller(connection)
    method = connection.scope.get("method", "WEBSOCKET")
    return Source(
        kind="unknown" if caller is None else caller.kind,
        name="unknown" if caller is None else caller.name,
        user_id="" if caller is None else caller.id,
        key_id="" if caller is None else caller.key_id,
        admin=caller is not None and caller.role is Role.ADMIN,
        operation=f"{method} {connection.url.path}"[:500],
        request_id=context.request_id(connection),
        ip=connection.client.host if connection.client else "",
        user_agent=connection.headers.get("User-Agent", "")[:MAX_AGENT_CHARS],
    )


def refusal(connection: HTTPConnection, status: int) -> events.Event | None:
    """What a response of this status says of who asked; None: nothing to record."""
    wrong = context.problem_of_caller(connection)
    if status == LoginFailed.status and wrong is not None:
        return events.login_failed(wrong.code)
    if status == LoginFailed.status and connection.url.path.startswith(CALLBACK):
        return events.login_failed(LoginFailed.code)
    if status == Forbidden.status:
        return events.denied(connection.scope["method"], Forbidden.code)
    return None


def audited(services: Services, trail: AuditTrail) -> Services:
    """The same services, which record what they show before they show it."""
    if not trail.on:
        return services

    async def shown(query: Query, result: SearchResult) -> None:
        ids = [hit.chunk.document_id for hit in result.hits]
        text = trail.kept(query.text)
        found = events.documents_found(query.collection, ids, query=text, cached=result.cached)
        await trail.record(found)

    async def search(query: Query) -> SearchResult:
        result = await services.search(query)
        await shown(query, result)
        return result

    async def answer(request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
        async with aclosing(services.answer(request)) as found:
            async for event in found:
                if isinstance(event, SearchResult):
                    await shown(request.query, event)
                yield event

    return replace(services, search=search, answer=answer, audit=trail.record)
