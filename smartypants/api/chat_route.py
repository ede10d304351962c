"""Who is let in to `WS /v1/chat`, and how its connections end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from smartypants.api import context
from smartypants.api.chat_messages import PATH, SUBPROTOCOL, ChatError
from smartypants.api.chat_socket import AUTHENTICATION, ChatConnection, Closed, problem
from smartypants.api.metrics import Metrics
from smartypants.api.services import Services
from smartypants.auth.authenticating import Authenticator
from smartypants.auth.browsers import check_origin
from smartypants.auth.callers import Caller
from smartypants.auth.roles import Permission
from smartypants.chatting.runner import TurnRunner
from smartypants.errors import (
    Forbidden,
    InvalidRequest,
    NotAuthenticated,
    Overloaded,
    SmartyPantsError,
)

FORBIDDEN, PROTOCOL, TOO_MANY, INTERNAL = 4403, 4400, 4429, 1011
_CODES: Final[tuple[tuple[type[SmartyPantsError], int], ...]] = (
    (NotAuthenticated, AUTHENTICATION),
    (Forbidden, FORBIDDEN),
    (InvalidRequest, PROTOCOL),
    (Overloaded, TOO_MANY),
)

log = structlog.get_logger(__name__)


class Chat:
    """The route; it counts the connections of each caller in this process."""

    def __init__(
        self,
        services: Services,
        runner: TurnRunner,
        authenticator: Authenticator,
        metrics: Metrics,
    ) -> None:
        self._services = services
        self._runner = runner
        self._authenticator = authenticator
        self._metrics = metrics
        self._open: Counter[str] = Counter()

    @property
    def route(self) -> WebSocketRoute:
        return WebSocketRoute(PATH, self._serve, name="chat")

    async def _serve(self, socket: WebSocket) -> None:
        offered = socket.scope.get("subprotocols") or []
        await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        code, reason = 1000, ""
        try:
            caller = self._admit(socket, offered)
            with self._counted(caller), self._metrics.chats.track_inprogress():
                connection = ChatConnection(
                    socket, self._services, self._runner, self._authenticator
                )
                await connection.serve()
        except WebSocketDisconnect:
            return
        except Closed as exc:
            code, reason = exc.code, exc.reason
        except Exception as exc:  # noqa: BLE001 - told to the client, logged by `problem`
            code = next((n for kind, n in _CODES if isinstance(exc, kind)), INTERNAL)
            reason = await self._say(exc, socket)
        log.info("chat closed", code=code, reason=reason)
        await self._close(socket, code, reason)

    def _admit(self, socket: WebSocket, offered: list[str]) -> Caller:
        """Raises `NotAuthenticated`, `Forbidden`, `InvalidRequest`, `Overloaded`."""
        if offered and SUBPROTOCOL not in offered:
            raise InvalidRequest(
                f"None of the subprotocols is spoken here: {', '.join(offered)[:100]}.",
                f"Offer {SUBPROTOCOL}, or none.",
            )
        if socket.headers.get("Origin") not in (None, *self._services.settings.http.cors_origins):
            # Also without a session: pages of any site may open a socket to this machine.
            check_origin(context.site(socket, self._services.settings.auth), socket.headers)
        caller = context.caller(socket)
        caller.check(Permission.DOCUMENTS_READ)
        return caller

    @contextmanager
    def _counted(self, caller: Caller) -> Iterator[None]:
        most = self._services.settings.chat.max_connections
        if self._open[caller.id] >= most:
            raise Overloaded(f"{caller.name} has {most} connections open.", "Close one first.")
        self._open[caller.id] += 1
        try:
            yield
        finally:
            self._open[caller.id] -= 1
            self._open += Counter()  # forgets whoever has none

    async def _say(self, exc: Exception, socket: WebSocket) -> str:
        found = problem(exc, socket)
        message = ChatError(problem=found).model_dump_json()
        try:
            async with asyncio.timeout(self._services.settings.chat.timeout_s):
                await socket.send_text(message)
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            log.info("chat ended before it heard why", code=found.code)
        return found.code

    async def _close(self, socket: WebSocket, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(self._services.settings.chat.timeout_s):
                await socket.close(code, reason)
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            log.info("chat was closed by its client")
