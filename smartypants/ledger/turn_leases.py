"""What the process that answers turns does with them: renew its leases, hear what is wanted, end.

A lease is a time; a process that does not renew it by then is taken for dead. Whatever it writes
about a turn names it, so that one which was taken for dead by mistake can't change a turn that
has ended since.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, and_, select, update

from smartypants.ledger.chat_schema import conversations, turns
from smartypants.ledger.database import lock
from smartypants.ledger.turns import Turn, TurnState


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a turn."""

    state: TurnState
    answer: str = ""
    pieces: Sequence[str | int] = ()
    citations: Sequence[Mapping[str, Any]] = ()
    sources: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    prompt_version: str | None = None
    error: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Beat:
    """What a process hears of a turn that it answers."""

    key: tuple[str, int]
    wanted: str
    watched_until: float


def beat(engine: Engine, runner: str, *, lease_s: float) -> list[Beat]:
    """Renew the leases of a process; what is wanted of the turns that it still has."""
    mine = and_(turns.c.runner == runner, turns.c.state == TurnState.RUNNING)
    renewed = update(turns).where(mine).values(lease_until=time.time() + lease_s)
    told = (turns.c.conversation_id, turns.c.number, turns.c.wanted, turns.c.watched_until)
    with engine.begin() as connection:
        rows = connection.execute(renewed.returning(*told)).all()
    return [Beat((row[0], row[1]), row[2], row[3]) for row in rows]


def finish(engine: Engine, turn: Turn, outcome: Outcome) -> Turn | None:
    """The turn as it is kept: as it ended before, if it did; None if it was removed."""
    mine = and_(turns.c.conversation_id == turn.conversation_id, turns.c.number == turn.number)
    running = and_(mine, turns.c.runner == turn.runner, turns.c.state == TurnState.RUNNING)
    values = {name: getattr(outcome, name) for name in outcome.__slots__}
    with engine.begin() as connection:
        lock(connection, conversations, [turn.conversation_id])
        connection.execute(
            update(turns).where(running).values(values | {"finished_at": time.time()})
        )
        row = connection.execute(select(turns).where(mine)).first()
    return None if row is None else Turn(**row._mapping)


def want_cancel(engine: Engine, turn: Turn) -> None:
    """Its process hears of it with its next beat."""
    _tell(engine, turn, wanted="cancel")


def watch(engine: Engine, turn: Turn, *, until: float) -> None:
    """Let its process know that somebody waits for it elsewhere."""
    _tell(engine, turn, watched_until=until)


def _tell(engine: Engine, turn: Turn, **values: object) -> None:
    mine = and_(turns.c.conversation_id == turn.conversation_id, turns.c.number == turn.number)
    with engine.begin() as connection:
        connection.execute(update(turns).where(mine).values(values))
