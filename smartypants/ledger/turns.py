"""Turns of conversations: asked once, one at a time, and kept in the pieces of their answers."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, Select, and_, func, insert, select, true, update
from sqlalchemy.exc import IntegrityError

from smartypants.errors import (
    ConversationFull,
    IdempotencyKeyReused,
    TurnInProgress,
    TurnNotFound,
)
from smartypants.ledger.chat_schema import conversations, turns
from smartypants.ledger.conversations import MAX_TITLE, unknown
from smartypants.ledger.database import lock, reading


class TurnState(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """Its process ended, or nobody was there for too long: ask again."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Turn:
    """A row of `turns`."""

    conversation_id: str
    number: int
    owner: str
    ask_id: str
    fingerprint: str
    question: str
    state: str
    answer: str | None
    pieces: Sequence[str | int]
    citations: Sequence[Mapping[str, Any]]
    sources: Sequence[str]
    details: Mapping[str, Any]
    prompt_version: str | None
    error: Mapping[str, str] | None
    runner: str
    lease_until: float
    wanted: str
    watched_until: float
    created_at: float
    finished_at: float | None

    @property
    def key(self) -> tuple[str, int]:
        return self.conversation_id, self.number

    @property
    def ended(self) -> bool:
        return self.state != TurnState.RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question on its way; without a conversation it begins one."""

    owner: str
    ask_id: str
    fingerprint: str
    question: str
    conversation_id: str | None
    collection: str | None
    runner: str
    lease_s: float
    max_turns: int


def begin(engine: Engine, asked: Asked) -> tuple[Turn, bool]:
    """The turn, and whether it is new: what was asked before under the same id is that turn.

    Raises `ConversationNotFound`, `TurnInProgress`, `ConversationFull`, `IdempotencyKeyReused`.
    """
    try:
        return _begin(engine, asked)
    except IntegrityError:
        return _begin(engine, asked)  # the same was asked at this moment; now it is there


def _begin(engine: Engine, asked: Asked) -> tuple[Turn, bool]:
    now = time.time()
    with engine.begin() as connection:
        conversation_id = asked.conversation_id or uuid.uuid4().hex
        if asked.conversation_id is not None:
            _hold(connection, conversation_id, asked.owner)
        mine = and_(turns.c.owner == asked.owner, turns.c.ask_id == asked.ask_id)
        known = connection.execute(select(turns).where(mine)).first()
        if known is not None:
            return _same(Turn(**known._mapping), asked), False
        if asked.conversation_id is None:
            row = {
                "id": conversation_id,
                "owner": asked.owner,
                "collection": asked.collection,
                "title": _title(asked.question),
                "created_at": now,
                "updated_at": now,
            }
            connection.execute(insert(conversations).values(row))
        number = _next(connection, conversation_id, asked.max_turns, now)
        values: dict[str, Any] = {
            "conversation_id": conversation_id,
            "number": number,
            "owner": asked.owner,
            "ask_id": asked.ask_id,
            "fingerprint": asked.fingerprint,
            "question": asked.question,
            "state": TurnState.RUNNING,
            "pieces": [],
            "citations": [],
            "sources": [],
            "details": {},
            "runner": asked.runner,
            "lease_until": now + asked.lease_s,
            "wanted": "run",
            "watched_until": 0.0,
            "created_at": now,
        }
        added = connection.execute(insert(turns).values(values).returning(turns)).one()
        used = update(conversations).where(conversations.c.id == conversation_id)
        connection.execute(used.values(updated_at=now))
    return Turn(**added._mapping), True


def _hold(connection: Connection, conversation_id: str, owner: str) -> None:
    """One question at a time, also of two connections."""
    lock(connection, conversations, [conversation_id])
    found = select(conversations.c.owner).where(conversations.c.id == conversation_id)
    if connection.execute(found).scalar() != owner:
        raise unknown(conversation_id)


def _same(turn: Turn, asked: Asked) -> Turn:
    elsewhere = asked.conversation_id not in (None, turn.conversation_id)
    if elsewhere or turn.fingerprint != asked.fingerprint:
        raise IdempotencyKeyReused(
            f"The id {asked.ask_id!r} was used for another question.", "Use a new one for each."
        )
    return turn


def _next(connection: Connection, conversation_id: str, most: int, now: float) -> int:
    _expire(connection, conversation_id, now)
    mine = turns.c.conversation_id == conversation_id
    query = select(func.max(turns.c.number)).where(mine)
    last = int(connection.execute(query).scalar() or 0)
    running = select(turns.c.number).where(mine, turns.c.state == TurnState.RUNNING)
    busy = connection.execute(running).scalar()
    if busy is not None:
        raise TurnInProgress(
            f"Turn {busy} of the conversation is being answered.", "Wait for its end, or cancel it."
        )
    if last >= most:
        raise ConversationFull(f"The conversation has {last} turns.", "Begin a new one.")
    return last + 1


def _title(question: str) -> str:
    title = " ".join(question.split())
    return title if len(title) <= MAX_TITLE else f"{title[: MAX_TITLE - 1]}…"


def get(engine: Engine, conversation_id: str, number: int | None = None) -> Turn:
    """The turn, or the last one. Raises `TurnNotFound`."""
    mine = turns.c.conversation_id == conversation_id
    query = select(turns).where(mine, true() if number is None else turns.c.number == number)
    found = _read(engine, conversation_id, query.order_by(turns.c.number.desc()).limit(1))
    if found:
        return found[0]
    raise TurnNotFound(
        f"There is no turn {number} in conversation {conversation_id!r}."
        if number
        else f"Nothing was asked in conversation {conversation_id!r}.",
        "GET /v1/conversations/{id} has them.",
    )


def of_conversation(engine: Engine, conversation_id: str) -> list[Turn]:
    """By number. Those whose process died have been interrupted by now."""
    mine = select(turns).where(turns.c.conversation_id == conversation_id)
    return _read(engine, conversation_id, mine.order_by(turns.c.number))


def _read(engine: Engine, conversation_id: str, query: Select[Any]) -> list[Turn]:
    with reading(engine) as connection:
        found = [Turn(**row._mapping) for row in connection.execute(query)]
    now = time.time()
    if any(not turn.ended and turn.lease_until < now for turn in found):
        with engine.begin() as connection:
            _expire(connection, conversation_id, now)
        return _read(engine, conversation_id, query)
    return found


def _expire(connection: Connection, conversation_id: str, now: float) -> None:
    left = and_(
        turns.c.conversation_id == conversation_id,
        turns.c.state == TurnState.RUNNING,
        turns.c.lease_until < now,
    )
    ended = {"state": TurnState.INTERRUPTED, "finished_at": now}
    connection.execute(update(turns).where(left).values(ended))
