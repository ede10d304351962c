"""What was answered to writes that may be sent again, by the caller's key for each."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, and_, delete, select, update

from smartypants.errors import IdempotencyKeyReused, RequestInProgress
from smartypants.ledger.chat_schema import idempotency_keys as keys
from smartypants.ledger.database import upsert

LOCK_S = 120.0
"""A request that has a key for longer was left behind: its process died."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to answer the request that has the key."""

    caller: str
    key: str
    id: str


@dataclass(frozen=True, slots=True)
class KeptResponse:
    """What was answered; without a body where that held a secret."""

    status: int
    headers: Mapping[str, str]
    body: str | None


def claim(
    engine: Engine, caller: str, key: str, fingerprint: str, *, remember_s: float
) -> Claim | KeptResponse:
    """The claim of a request that is new, or what was answered to it before.

    Raises `IdempotencyKeyReused` where the key was sent with another request, `RequestInProgress`
    where the same is being answered.
    """
    now, mine = time.time(), Claim(caller, key, uuid.uuid4().hex)
    row = {
        "caller": caller,
        "key": key,
        "fingerprint": fingerprint,
        "claim": mine.id,
        "locked_until": now + LOCK_S,
        "expires_at": now + remember_s,
    }
    with engine.begin() as connection:
        connection.execute(delete(keys).where(keys.c.expires_at < now))
        made = upsert(engine, keys, [row]).returning(keys.c.key)
        if connection.execute(made).first() is not None:
            return mine
        theirs = and_(keys.c.caller == caller, keys.c.key == key)
        found = connection.execute(select(keys).where(theirs).with_for_update()).one()
        if found.fingerprint != fingerprint:
            raise IdempotencyKeyReused(
                f"The key {key!r} was sent with another request.", "Use a new key for each."
            )
        if found.status is not None:
            return KeptResponse(found.status, found.headers, found.body)
        if found.locked_until > now:
            raise RequestInProgress("The same request is being answered.", "Send it again later.")
        taken = update(keys).where(theirs)
        connection.execute(taken.values(claim=mine.id, locked_until=now + LOCK_S))
    return mine


def keep(engine: Engine, mine: Claim, response: KeptResponse) -> None:
    """Answer the same to the same request from now on."""
    values = {
        "status": response.status,
        "headers": dict(response.headers),
        "body": response.body,
    }
    with engine.begin() as connection:
        connection.execute(update(keys).where(_of(mine)).values(values))


def release(engine: Engine, mine: Claim) -> None:
    """Let the request be sent again as if it were new."""
    with engine.begin() as connection:
        connection.execute(delete(keys).where(_of(mine), keys.c.status.is_(None)))


def _of(mine: Claim) -> ColumnElement[bool]:
    return and_(keys.c.caller == mine.caller, keys.c.key == mine.key, keys.c.claim == mine.id)
