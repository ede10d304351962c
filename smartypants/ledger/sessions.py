"""Sessions of browsers, and logins on their way; the secrets are the browsers' alone."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Engine, delete, insert, select, update

from smartypants.auditing import events
from smartypants.auth.secrets import hashed, new_secret
from smartypants.ledger import audit, auth_epoch
from smartypants.ledger.auth_schema import logins, sessions
from smartypants.ledger.database import reading

LOGIN_S = 600.0
"""A login takes no longer, from the redirect to the issuer until the way back."""
SEEN_SHARE = 0.05
"""Of the idle time: a session's last use is noted no more often."""


@dataclass(frozen=True, slots=True)
class Session:
    """A row of `sessions`."""

    hash: str
    user_id: str
    created_at: float
    seen_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Login:
    """A row of `logins`."""

    hash: str
    issuer: str
    verifier: str
    nonce: str
    return_to: str
    expires_at: float


def begin(engine: Engine, user_id: str, *, absolute_s: float, replacing: str | None = None) -> str:
    """The secret of a new session; the one that the browser had before ends."""
    secret, now = new_secret(), time.time()
    row = Session(_hash(secret), user_id, now, now, now + absolute_s)
    with engine.begin() as connection:
        if replacing is not None:
            auth_epoch.move(connection)
            connection.execute(delete(sessions).where(sessions.c.hash == _hash(replacing)))
        connection.execute(delete(sessions).where(sessions.c.expires_at < now))
        values = {column: getattr(row, column) for column in row.__slots__}
        connection.execute(insert(sessions).values(values))
        audit.note(connection, events.logged_in(user_id))
    return secret


def find(engine: Engine, secret: str, *, idle_s: float) -> Session | None:
    """The session, if it has not expired; notes that it is in use, now and then."""
    with reading(engine) as connection:
        query = select(sessions).where(sessions.c.hash == _hash(secret))
        row = connection.execute(query).first()
    if row is None:
        return None
    found, now = Session(**row._mapping), time.time()
    if now >= found.expires_at or now - found.seen_at >= idle_s:
        return None
    if now - found.seen_at > idle_s * SEEN_SHARE:
        with engine.begin() as connection:
            changed = update(sessions).where(sessions.c.hash == found.hash)
            connection.execute(changed.values(seen_at=now))
    return found


def end(engine: Engine, secret: str) -> None:
    """Idempotent."""
    with engine.begin() as connection:
        auth_epoch.move(connection)
        mine = sessions.c.hash == _hash(secret)
        ended = connection.execute(select(sessions.c.user_id).where(mine)).scalar()
        connection.execute(delete(sessions).where(mine))
        if ended is not None:
            audit.note(connection, events.logged_out(ended))


def begin_login(
    engine: Engine, *, state: str, issuer: str, verifier: str, nonce: str, return_to: str
) -> None:
    """Remember a login that goes to its issuer; forget those that never came back."""
    now = time.time()
    row = Login(hashed("login", state), issuer, verifier, nonce, return_to, now + LOGIN_S)
    with engine.begin() as connection:
        connection.execute(delete(logins).where(logins.c.expires_at < now))
        values = {column: getattr(row, column) for column in row.__slots__}
        connection.execute(insert(logins).values(values))


def take_login(engine: Engine, *, state: str, issuer: str) -> Login | None:
    """The login that comes back with this state: once, and only from its own issuer."""
    key = hashed("login", state)
    with engine.begin() as connection:
        mine = (logins.c.hash == key) & (logins.c.issuer == issuer)
        row = connection.execute(select(logins).where(mine)).first()
        gone = connection.execute(delete(logins).where(mine)).rowcount
    if row is None or not gone or row.expires_at < time.time():
        return None
    return Login(**row._mapping)


def end_all(engine: Engine, user_id: str) -> int:
    """End a user's sessions; how many there were."""
    with engine.begin() as connection:
        auth_epoch.move(connection)
        mine = sessions.c.user_id == user_id
        count = int(connection.execute(delete(sessions).where(mine)).rowcount)
        audit.note(connection, events.logged_out(user_id))
    return count


def _hash(secret: str) -> str:
    return hashed("session", secret)
