"""Responses that take a while: server-sent events, and work that ends when the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from smartypants.api import context
from smartypants.api.metrics import Metrics
from smartypants.api.problems import Problem, describe

T = TypeVar("T")

KEEP_ALIVE_S = 15.0
"""Proxies close a connection that is silent for longer, often after 30 or 60 s."""


@asynccontextmanager
async def closing(events: AsyncIterator[T]) -> AsyncGenerator[AsyncIterator[T], None]:
    """Close the iterator at the end: that is what frees the LLM's slot."""
    try:
        yield events
    finally:
        aclose = getattr(events, "aclose", None)
        if aclose is not None:
            await aclose()


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of the work, which is cancelled when the client leaves first.

    Only for requests whose body is read. Raises `ClientDisconnect`.
    """
    task = asyncio.create_task(work)
    left = asyncio.create_task(_disconnect(receive))
    try:
        await asyncio.wait((task, left), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        left.cancel()
        await asyncio.gather(task, left, return_exceptions=True)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def event(name: str, data: BaseModel) -> str:
    return f"event: {name}\ndata: {data.model_dump_json()}\n\n"


def problem_event(problem: Problem) -> str:
    return f"event: error\ndata: {problem.model_dump_json(exclude_none=True)}\n\n"


class EventStream(Response):
    """Sends events as they come. An error before the first is an ordinary error response;
    a later one is sent as an event. The events are closed when the client leaves."""

    media_type = "text/event-stream"

    def __init__(
        self,
        request: Request,
        events: AsyncGenerator[str, None],
        *,
        problem_event: Callable[[Problem], str] = problem_event,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._request = request
        self._events = events
        self._problem_event = problem_event

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        metrics: Metrics = scope["app"].state.metrics
        with metrics.streams.track_inprogress():
            await while_connected(receive, self._send(send))

    async def _send(self, send: Send) -> None:
        async with closing(self._events) as events:
            first = await anext(events)
            headers = self.raw_headers
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            silence = asyncio.create_task(_keep_alive(send))
            try:
                await _write(send, first)
                async for text in events:
                    await _write(send, text)
            except Exception as exc:  # noqa: BLE001 - told to the client, logged by `describe`
                request_id = context.request_id(self._request)
                problem = describe(exc, request_id=request_id, path=self._request.url.path)
                await _write(send, self._problem_event(problem))
            finally:
                silence.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _keep_alive(send: Send) -> None:
    while True:
        await asyncio.sleep(KEEP_ALIVE_S)
        await _write(send, ": still here\n\n")


async def _write(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
