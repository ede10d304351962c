"""Answers turns in this process, whoever is connected meanwhile.

A turn that nobody follows any more goes on for a grace time, so that whoever lost the connection
finds it; after that the language model's place is worth more.
"""

from __future__ import annotations

import asyncio
import contextvars
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio.to_thread
import structlog
from sqlalchemy import Engine

from smartypants.chatting.running import Events, RunningTurn
from smartypants.chatting.settings import ChatSettings
from smartypants.errors import SmartyPantsError, Unavailable
from smartypants.ledger import turn_leases
from smartypants.ledger.turn_leases import Beat
from smartypants.ledger.turns import Turn, TurnState

BEATS = 5
"""Of a process in the time of a lease."""
TRIES, PAUSE_S = 3, 1.0
"""To keep a turn's end while the ledger does not answer."""

log = structlog.get_logger(__name__)


class TurnRunner:
    """One of it in each process that answers requests.

    >>> running = runner.start(turn, events)
    >>> with runner.watching(running):
    ...     async for event in running.follow(after=0):
    ...         await send(event)
    """

    def __init__(
        self, engine: Engine, settings: ChatSettings, ended: Callable[[str], None] = lambda _: None
    ) -> None:
        """`ended` hears of each turn's last state."""
        self.id = uuid.uuid4().hex
        self._engine = engine
        self._settings = settings
        self._note_end = ended
        self._running: dict[tuple[str, int], RunningTurn] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._heart: asyncio.Task[None] | None = None

    def find(self, key: tuple[str, int]) -> RunningTurn | None:
        """The turn, if it is answered here."""
        return self._running.get(key)

    def start(self, running: RunningTurn, events: Events) -> None:
        """Answer a turn that this process has just begun in the ledger."""
        # A context of its own: Ray Serve cancels what a request's context has begun when that
        # request ends, and a turn outlives its connection.
        context = contextvars.Context()
        running.work = asyncio.create_task(running.answer(events), context=context)
        self._running[running.turn.key] = running
        task = asyncio.create_task(self._see_through(running, running.work), context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._give_grace(running)
        if self._heart is None or self._heart.done():
            self._heart = asyncio.create_task(self._beat(), context=contextvars.Context())

    @contextmanager
    def watching(self, running: RunningTurn) -> Iterator[None]:
        """Somebody follows the turn."""
        running.watchers += 1
        try:
            yield
        finally:
            running.watchers -= 1
            self._give_grace(running)

    async def close(self) -> None:
        """Interrupt what is being answered, and keep that."""
        for running in self._running.values():
            running.stop(TurnState.INTERRUPTED)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._heart is not None:
            self._heart.cancel()

    def _give_grace(self, running: RunningTurn, seconds: float | None = None) -> None:
        if running.timer is not None:
            running.timer.cancel()
        if running.watchers == 0:
            wait = asyncio.get_running_loop().call_later
            running.timer = wait(seconds or self._settings.grace_s, self._abandon, running)

    def _abandon(self, running: RunningTurn) -> None:
        if running.watchers > 0 or running.work is None or running.work.done():
            return
        if running.waited_for:
            self._give_grace(running, running.waited_for)
            return
        log.info("turn abandoned", conversation_id=running.turn.conversation_id)
        running.stop(TurnState.INTERRUPTED)

    async def _see_through(self, running: RunningTurn, work: asyncio.Task[None]) -> None:
        await asyncio.wait((work,))
        kept = None
        try:
            kept = await self._keep(running)
        finally:
            del self._running[running.turn.key]
            running.end(kept)
        self._note_end("lost" if kept is None else kept.state)

    async def _keep(self, running: RunningTurn) -> Turn | None:
        """The turn as it is kept; None where it was removed, or the ledger does not answer."""
        outcome = running.outcome()
        for left in reversed(range(TRIES)):
            try:
                return await anyio.to_thread.run_sync(
                    turn_leases.finish, self._engine, running.turn, outcome
                )
            except Unavailable as exc:
                log.warning("turn not kept", tries_left=left, error=str(exc))
            await asyncio.sleep(PAUSE_S if left else 0)
        return None

    async def _beat(self) -> None:
        """Renew the leases as long as there are any, and hear what is wanted of the turns."""
        while self._running:
            await asyncio.sleep(self._settings.lease_s / BEATS)
            known = dict(self._running)
            if not known:
                return
            try:
                beats = await anyio.to_thread.run_sync(self._renew)
            except SmartyPantsError as exc:
                log.warning("leases of turns not renewed", error=str(exc))
                continue
            heard = {beat.key: beat for beat in beats}
            for key, running in known.items():
                self._hear(running, heard.get(key))

    def _renew(self) -> list[Beat]:
        return turn_leases.beat(self._engine, self.id, lease_s=self._settings.lease_s)

    def _hear(self, running: RunningTurn, beat: Beat | None) -> None:
        if beat is None:  # somebody took us for dead, or removed the conversation
            running.stop(TurnState.INTERRUPTED)
        elif beat.wanted == "cancel":
            running.stop(TurnState.CANCELLED)
        else:
            running.watched_until = beat.watched_until
