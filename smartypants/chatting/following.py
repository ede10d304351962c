"""Follows a turn wherever it is answered: here, in another process, or not any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio.to_thread
from sqlalchemy import Engine

from smartypants.chatting.events import End, Piece, replayed
from smartypants.chatting.runner import TurnRunner
from smartypants.ledger import turn_leases, turns
from smartypants.ledger.turns import Turn

POLL_S = 0.25


async def follow(
    engine: Engine, runner: TurnRunner, turn: Turn, *, after: int, grace_s: float
) -> AsyncGenerator[Piece | End, None]:
    """What the turn tells after the number `after`, up to its end.

    One that another process answers is told once it has ended; if that process is gone, its end
    says so. Raises `TurnNotFound` if it was removed, or `Unavailable`.
    """
    running = runner.find(turn.key)
    if running is None:
        ended = await _ended(engine, turn, grace_s)
        for event in replayed(ended, after):
            yield event
        return
    with runner.watching(running):
        async with aclosing(running.follow(after)) as events:
            async for event in events:
                yield event


async def _ended(engine: Engine, turn: Turn, grace_s: float) -> Turn:
    """The turn once it has ended; its process is told that somebody waits."""
    told_until = 0.0
    while not turn.ended:
        now = time.time()
        if told_until - now < grace_s / 2:
            told_until = now + grace_s
            await anyio.to_thread.run_sync(_watch, engine, turn, told_until)
        await asyncio.sleep(POLL_S)
        turn = await anyio.to_thread.run_sync(turns.get, engine, *turn.key)
    return turn


def _watch(engine: Engine, turn: Turn, until: float) -> None:
    turn_leases.watch(engine, turn, until=until)
