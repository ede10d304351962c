"""Conversations: whose they are, what they are called, when they were used last."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, and_, delete, or_, select, update

from smartypants.errors import ConversationNotFound
from smartypants.ledger.chat_schema import conversations, turns
from smartypants.ledger.database import BATCH, lock, reading

MAX_TITLE = 200


@dataclass(frozen=True, slots=True)
class Conversation:
    """A row of `conversations`."""

    id: str
    owner: str
    collection: str | None
    title: str
    created_at: float
    updated_at: float


def get(engine: Engine, conversation_id: str, owner: str | None) -> Conversation:
    """Raises `ConversationNotFound`, also for another's; `owner` None: whoever's it is."""
    query = select(conversations).where(conversations.c.id == conversation_id)
    with reading(engine) as connection:
        row = connection.execute(query).first()
    if row is None or owner not in (None, row.owner):
        raise unknown(conversation_id)
    return Conversation(**row._mapping)


def unknown(conversation_id: str) -> ConversationNotFound:
    return ConversationNotFound(
        f"There is no conversation {conversation_id!r}.", "GET /v1/conversations lists yours."
    )


def page(
    engine: Engine, owner: str, *, limit: int, before: tuple[float, str] | None = None
) -> list[Conversation]:
    """The one used last first; `before` is (last use, id) of the last row of the page before."""
    mine = select(conversations).where(conversations.c.owner == owner)
    if before is not None:
        at, conversation_id = before
        same_time = and_(conversations.c.updated_at == at, conversations.c.id < conversation_id)
        mine = mine.where(or_(conversations.c.updated_at < at, same_time))
    ordered = mine.order_by(conversations.c.updated_at.desc(), conversations.c.id.desc())
    with reading(engine) as connection:
        return [Conversation(**row._mapping) for row in connection.execute(ordered.limit(limit))]


def rename(engine: Engine, conversation_id: str, title: str) -> None:
    """Raises `ConversationNotFound`."""
    change = update(conversations).where(conversations.c.id == conversation_id)
    with engine.begin() as connection:
        if not connection.execute(change.values(title=title)).rowcount:
            raise unknown(conversation_id)


def remove(engine: Engine, conversation_id: str) -> None:
    """With all its turns; what is being answered there is not kept. Idempotent."""
    with engine.begin() as connection:
        lock(connection, conversations, [conversation_id])
        connection.execute(delete(turns).where(turns.c.conversation_id == conversation_id))
        connection.execute(delete(conversations).where(conversations.c.id == conversation_id))


def remove_unused(engine: Engine, *, since: float) -> int:
    """Remove conversations in which nothing was asked since then; how many. The first of them
    where there are more than a transaction should hold. Idempotent."""
    own, unused = conversations.c.id, conversations.c.updated_at < since
    with engine.begin() as connection:
        found = connection.execute(select(own).where(unused).order_by(own).limit(BATCH))
        ids = [row.id for row in found]
        lock(connection, conversations, ids)
        still = connection.execute(select(own).where(own.in_(ids), unused))  # none was asked since
        gone = [row.id for row in still]
        connection.execute(delete(turns).where(turns.c.conversation_id.in_(gone)))
        connection.execute(delete(conversations).where(own.in_(gone)))
    return len(gone)
