"""`WS /v1/chat`: one connection of a chat; `docs/chat.md` has the protocol.

The reader takes a client's messages one by one; each turn that the client follows is a task that
sends. A send waits for the client, so what is on its way to a slow one is bounded by the number of
turns that it may follow.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, suppress

import anyio.to_thread
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from smartypants.api import chat_messages as messages
from smartypants.api import chat_turns, context, problems
from smartypants.api.answers import citation
from smartypants.api.authentication import identify
from smartypants.api.conversation_views import turn_view
from smartypants.api.services import Services
from smartypants.auth.authenticating import Authenticator
from smartypants.auth.callers import Caller
from smartypants.auth.roles import Permission
from smartypants.chatting.events import ACCEPTED, End, Piece
from smartypants.chatting.following import follow
from smartypants.chatting.runner import TurnRunner
from smartypants.errors import NotAuthenticated, Overloaded, SmartyPantsError, Unavailable
from smartypants.ledger.turns import Turn, TurnState
from smartypants.types import Citation


class Closed(Exception):
    """The connection is to end, with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


TOO_BIG, AUTHENTICATION, GONE, IDLE = 1009, 4401, 4408, 4409


class ChatConnection:
    """
    >>> await ChatConnection(socket, services, runner, authenticator).serve()
    """

    def __init__(
        self,
        socket: WebSocket,
        services: Services,
        runner: TurnRunner,
        authenticator: Authenticator,
    ) -> None:
        self._socket = socket
        self._services = services
        self._settings = services.settings.chat
        self._runner = runner
        self._authenticator = authenticator
        self._sending = asyncio.Lock()
        self._following: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._heard_at = self._asked_at = time.monotonic()

    async def serve(self) -> None:
        """Until the client leaves. Raises `Closed` where it is we who end the connection."""
        caller = context.caller(self._socket)
        await self._send(
            messages.ChatReady(
                caller=caller.name,
                ping_s=self._settings.ping_s,
                max_message_bytes=self._settings.max_message_bytes,
                max_in_flight=self._settings.max_in_flight,
            )
        )
        parts = {asyncio.create_task(self._read()), asyncio.create_task(self._watch())}
        try:
            await asyncio.wait({*parts, self._failed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            followed = list(self._following)
            tasks = {*parts, *self._following.values()}
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            if self._failed.done():
                results.append(self._failed.exception())
        for result in results:
            if isinstance(result, NotAuthenticated):
                self._stop(followed)
            if isinstance(result, Exception):
                raise result

    def _stop(self, turns: list[tuple[str, int]]) -> None:
        """Who is not let in any more gets no answer either."""
        for key in turns:
            running = self._runner.find(key)
            if running is not None:
                running.stop(TurnState.INTERRUPTED)

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            self._heard_at = time.monotonic()
            text = message.get("text")
            size = len(text.encode("utf-8", "replace") if text else message.get("bytes") or b"")
            if size > self._settings.max_message_bytes:
                most = self._settings.max_message_bytes
                raise Closed(TOO_BIG, f"A message has {most} bytes at most.")
            await self._handle(text or "")

    async def _handle(self, text: str) -> None:
        asked: messages.ClientMessage | None = None
        try:
            asked = messages.read(text, self._services.settings)
            if isinstance(asked, messages.ChatPong):
                return
            self._asked_at = self._heard_at
            caller = await self._caller()
            await self._do(asked, caller)
        except NotAuthenticated:
            raise
        except Exception as exc:  # noqa: BLE001 - told to the client, logged by `describe`
            await self._complain(exc, asked)

    async def _do(self, asked: messages.ClientMessage, caller: Caller) -> None:
        services, runner = self._services, self._runner
        if isinstance(asked, messages.ChatAsk):
            self._check_room()
            # A client that leaves now has asked all the same, and may resume.
            turn = await asyncio.shield(
                chat_turns.ask(services, runner, self._socket, caller, asked)
            )
            self._follow(turn, caller, after=0)
        elif isinstance(asked, messages.ChatResume):
            turn = await self._find(asked, caller)
            if turn.key not in self._following:
                self._check_room()
            self._follow(turn, caller, after=asked.after)
        elif isinstance(asked, messages.ChatCancel):
            turn = await self._find(asked, caller)
            await chat_turns.cancel(services, runner, turn)

    async def _find(self, asked: messages.ChatResume | messages.ChatCancel, caller: Caller) -> Turn:
        caller.check(Permission.DOCUMENTS_READ)
        return await anyio.to_thread.run_sync(
            chat_turns.find, self._services, caller, asked.conversation, asked.turn
        )

    def _check_room(self) -> None:
        if len(self._following) >= self._settings.max_in_flight:
            raise Overloaded(
                f"This connection follows {len(self._following)} turns already.",
                "Wait for an `end`, or cancel one.",
            )

    def _follow(self, turn: Turn, caller: Caller, *, after: int) -> None:
        """Whoever resumes a turn on the connection that follows it begins again from `after`."""
        before = self._following.pop(turn.key, None)
        if before is not None:
            before.cancel()
        task = asyncio.create_task(self._tell(turn, caller, after))
        self._following[turn.key] = task
        task.add_done_callback(lambda done: self._followed(turn, done))

    def _followed(self, turn: Turn, task: asyncio.Task[None]) -> None:
        if self._following.get(turn.key) is task:
            del self._following[turn.key]
        failure = None if task.cancelled() else task.exception()
        if failure is not None and not self._failed.done():
            self._failed.set_exception(failure)

    async def _tell(self, turn: Turn, caller: Caller, after: int) -> None:
        """Send what a turn tells, as fast as the client takes it."""
        if after < ACCEPTED:
            await self._send(
                messages.ChatAccepted(
                    conversation=turn.conversation_id,
                    turn=turn.number,
                    seq=ACCEPTED,
                    id=turn.ask_id,
                )
            )
        grace_s = self._settings.grace_s
        engine = self._services.engine
        try:
            shown = await self._may_see(turn, caller)
            told = follow(engine, self._runner, turn, after=after, grace_s=grace_s)
            async with aclosing(told) as events:
                async for event in events:
                    if shown or isinstance(event, End):
                        await self._send(await self._message(event, turn, caller))
        except SmartyPantsError as exc:
            await self._complain(exc, None, turn)

    async def _may_see(self, turn: Turn, caller: Caller) -> bool:
        """Whether pieces of the answer may be shown; its end says by itself what may be."""
        running = self._runner.find(turn.key)
        sources = turn.sources if running is None else tuple(running.sources)
        return await anyio.to_thread.run_sync(
            chat_turns.visible, self._services.engine, sources, caller
        )

    async def _message(
        self, event: Piece | End, turn: Turn, caller: Caller
    ) -> messages.ServerMessage:
        key, number, seq = turn.conversation_id, turn.number, event.seq
        if isinstance(event, End):
            view = await anyio.to_thread.run_sync(
                turn_view, self._services.engine, event.turn, caller
            )
            return messages.ChatEnd(conversation=key, turn=number, seq=seq, result=view)
        if isinstance(event.body, Citation):
            shown = citation(event.body)
            return messages.ChatCitation(conversation=key, turn=number, seq=seq, citation=shown)
        return messages.ChatToken(conversation=key, turn=number, seq=seq, text=event.body)

    async def _watch(self) -> None:
        """Send pings, and end a connection whose client is gone, idle, or not let in any more."""
        chosen = self._settings
        while True:
            await asyncio.sleep(chosen.ping_s)
            now = time.monotonic()
            if now - self._heard_at > chosen.ping_s + chosen.timeout_s:
                raise Closed(GONE, "Pings were not answered.")
            if not self._following and now - self._asked_at > chosen.idle_s:
                raise Closed(IDLE, "Nothing was asked for a while.")
            with suppress(Unavailable):  # the next question will tell
                await self._caller()
            await self._send(messages.ChatPing())

    async def _caller(self) -> Caller:
        """Who it is now: a key that was revoked since counts no more. Raises `NotAuthenticated`."""
        context.set_caller(self._socket.scope, await identify(self._authenticator, self._socket))
        return context.caller(self._socket)

    async def _complain(
        self, exc: Exception, asked: messages.ClientMessage | None, turn: Turn | None = None
    ) -> None:
        about = asked if isinstance(asked, messages.ChatResume | messages.ChatCancel) else None
        await self._send(
            messages.ChatError(
                id=asked.id if isinstance(asked, messages.ChatAsk) else None,
                conversation=turn.conversation_id if turn else about and about.conversation,
                turn=turn.number if turn else about and about.turn,
                problem=problem(exc, self._socket),
            )
        )

    async def _send(self, message: messages.ServerMessage) -> None:
        """Raises `Closed` for a client that takes nothing for too long."""
        try:
            async with self._sending, asyncio.timeout(self._settings.timeout_s):
                await self._socket.send_text(message.model_dump_json())
        except TimeoutError:
            raise Closed(GONE, "Messages were not taken.") from None


def problem(exc: Exception, connection: HTTPConnection) -> problems.Problem:
    request_id = context.request_id(connection)
    return problems.describe(exc, request_id=request_id, path=connection.url.path)
