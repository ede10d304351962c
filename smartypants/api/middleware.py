"""What surrounds every route: request id, measuring, the last catch for errors, body limit."""

from __future__ import annotations

import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from smartypants.api import context, problems
from smartypants.api.metrics import Metrics
from smartypants.errors import PayloadTooLarge

log = structlog.get_logger(__name__)


class RequestContext:
    """Gives each request its id: in the logs, in errors, and back to the caller.

    `echoed` says that a server in front sends the id back already, as Ray Serve does.
    """

    def __init__(self, app: ASGIApp, *, echoed: bool) -> None:
        self.app = app
        self.echoed = echoed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        request_id = context.set_request_id(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start" and not self.echoed:
                MutableHeaders(scope=message)[context.REQUEST_ID] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self.app(scope, receive, send_with_headers)


class Measure:
    """Counts and times requests by route template, so that ids make no new series."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 499  # nginx's number for a client that left before it got an answer

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        with self.metrics.in_flight.track_inprogress():
            try:
                await self.app(scope, receive, send_noting_status)
            finally:
                seconds = time.perf_counter() - started
                route = getattr(scope.get("route"), "path", "unmatched")
                self.metrics.observe(route, scope["method"], status, seconds)
                log.info(
                    "request",
                    method=scope["method"],
                    route=route,
                    status=status,
                    ms=round(seconds * 1000, 1),
                )


class CatchErrors:
    """Answers errors that no handler foresaw, inside of what logs and measures them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_noting_start(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_noting_start)
        except ClientDisconnect:
            return
        except Exception as exc:
            if started:
                raise
            request_id = context.request_id(HTTPConnection(scope))
            response = problems.respond(exc, request_id=request_id, path=scope["path"])
            await response(scope, receive, send)


class LimitBody:
    """Ends reading at the limit, whatever the Content-Length says or leaves out."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        announced = int(length[:20]) if length.isascii() and length.isdigit() else 0
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            if announced > self.max_bytes:  # before the client is told to go on sending
                raise self._too_large()
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                raise self._too_large()
            return message

        await self.app(scope, receive_within_limit, send)

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"The request's body is larger than {self.max_bytes} bytes.",
            "Send fewer documents at once, or raise http.max_body_bytes.",
        )
