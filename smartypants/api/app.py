"""The HTTP application: the whole of it can be read here, top to bottom."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache, partial
from typing import Final

import anyio.to_thread
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from smartypants import accounting
from smartypants.api import (
    accounts,
    answers,
    audit,
    chat,
    collections,
    context,
    conversations,
    docs,
    documents,
    embeddings,
    export,
    feedback,
    grants,
    health,
    history,
    jobs,
    login,
    models,
    openapi,
    people,
    problems,
    prompts,
    recipes,
    rerank,
    safety,
    search,
    sources,
    uploads,
    usage,
)
from smartypants.api.auditing import Audit, audited
from smartypants.api.authentication import Authenticate
from smartypants.api.chat_route import Chat
from smartypants.api.cross_origin import cross_origin
from smartypants.api.failing import LimitFailures
from smartypants.api.forwarding import Forwarded
from smartypants.api.limiting import Limit
from smartypants.api.metering import Account
from smartypants.api.metrics import Metrics
from smartypants.api.middleware import CatchErrors, LimitBody, Measure, RequestContext
from smartypants.api.routing import AnyRoute, starlette_routes
from smartypants.api.security_headers import SecurityHeaders
from smartypants.api.services import Services
from smartypants.auditing.trail import AuditTrail
from smartypants.auth.authenticating import Authenticator
from smartypants.auth.exposure import WARNING
from smartypants.chatting.runner import TurnRunner
from smartypants.errors import SmartyPantsError
from smartypants.metering.meter import Meter

log = structlog.get_logger(__name__)

TABLE: Final[tuple[AnyRoute, ...]] = (
    *search.ROUTES,
    *feedback.ROUTES,
    *answers.ROUTES,
    *uploads.ROUTES,
    *documents.ROUTES,
    *history.ROUTES,
    *sources.ROUTES,
    *jobs.ROUTES,
    *collections.ROUTES,
    *export.ROUTES,
    *recipes.ROUTES,
    *safety.ROUTES,
    *prompts.ROUTES,
    *conversations.ROUTES,
    *chat.ROUTES,
    *embeddings.ROUTES,
    *rerank.ROUTES,
    *models.ROUTES,
    *accounts.ROUTES,
    *people.ROUTES,
    *grants.ROUTES,
    *audit.ROUTES,
    *usage.ROUTES,
    *login.ROUTES,
    *health.ROUTES,
)


def create_app(services: Services, *, request_id_echoed: bool = False) -> Starlette:
    """The ASGI application over these services.

    `request_id_echoed`: the server in front puts the request's id on responses itself.

    >>> app = create_app(services)
    >>> uvicorn.run(app, host=services.settings.http.host, port=services.settings.http.port)
    """
    metrics = Metrics(services.engine, services.collectors)
    authenticator = Authenticator(services.settings.auth, services.engine)
    required = services.settings.auth.mode == "required"
    trail = AuditTrail(services.settings.audit, services.engine, required=required)
    services = audited(services, trail)
    limiter = accounting.make_limiter(services.settings, services.engine)
    failures = accounting.make_failure_limit(services.settings, services.engine)
    meter = Meter(services.settings.metering, services.engine)
    if not required:
        log.warning("authentication_off", detail=WARNING)
    runner = TurnRunner(
        services.engine,
        services.settings.chat,
        lambda state: metrics.turns.labels(state).inc(),
    )

    app = Starlette(
        routes=[
            *starlette_routes(TABLE, services),
            Chat(services, runner, authenticator, metrics).route,
            *docs.routes(_specification()),
        ],
        middleware=[
            Middleware(
                SecurityHeaders,
                auth=services.settings.auth,
                chosen=services.settings.http.headers,
            ),
            Middleware(RequestContext, echoed=request_id_echoed),
            *cross_origin(services.settings.http),
            Middleware(Measure, metrics=metrics),
            Middleware(CatchErrors),
            Middleware(Forwarded, trusted_proxies=services.settings.http.trusted_proxies),
            Middleware(LimitFailures, limit=failures),
            Middleware(Authenticate, authenticator=authenticator),
            Middleware(Audit, trail=trail),
            Middleware(Limit, limiter=limiter),
            Middleware(Account, meter=meter),
            Middleware(LimitBody, max_bytes=services.settings.http.max_body_bytes),
        ],
        exception_handlers={
            SmartyPantsError: _problem,
            HTTPException: _problem,
        },
        lifespan=_closing(runner.close, _in_thread(trail.close), _in_thread(meter.close)),
    )
    app.router.redirect_slashes = False  # a redirect would be the one answer that is no problem
    app.state.metrics = metrics
    app.state.authenticator = authenticator
    app.state.limiter = limiter
    return app


def _closing(
    *closed: Callable[[], Awaitable[None]],
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """What waits to be written is written before the app ends, one after the other."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        for close in closed:
            await close()

    return lifespan


def _in_thread(close: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    return partial(anyio.to_thread.run_sync, close)


@cache
def _specification() -> bytes:
    return openapi.document(TABLE)


async def _problem(request: Request, exc: Exception) -> Response:
    return problems.respond(exc, request_id=context.request_id(request), path=request.url.path)
