"""API keys: the hash of each, whose it is, what it may, and until when."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, insert, or_, select, update

from smartypants.auditing import events
from smartypants.auth.roles import SCOPES, Permission, Role
from smartypants.auth.secrets import KeySecret, same
from smartypants.errors import ApiKeyNotFound, Conflict, ValidationFailed
from smartypants.ledger import audit, auth_epoch, users
from smartypants.ledger.auth_schema import api_keys, auth_state
from smartypants.ledger.auth_schema import users as users_table
from smartypants.ledger.database import reading
from smartypants.ledger.users import User

USED_EVERY_S = 3600.0
"""The last use of a key is noted no more often."""
OVERLAP_S = 86_400.0
MAX_NAME = 200
ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A row of `api_keys` without the hash."""

    id: str
    user_id: str
    name: str
    scopes: tuple[Permission, ...] | None
    created_at: float
    expires_at: float | None
    last_used_at: float | None
    revoked_at: float | None
    replaced_by: str | None

    def valid(self, now: float) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def create(
    engine: Engine,
    user: User,
    *,
    name: str,
    scopes: Iterable[str] | None = None,
    expires_at: float | None = None,
) -> tuple[ApiKey, KeySecret]:
    """A key, and the secret that nobody can see again. A service's key needs scopes.

    Raises `ValidationFailed`.
    """
    chosen = None if scopes is None else tuple(sorted({_scope(each) for each in scopes}))
    if user.kind == "service" and not chosen:
        raise ValidationFailed("A service's key needs scopes.", f"There are {', '.join(SCOPES)}.")
    if not name.strip() or len(name) > MAX_NAME:
        raise ValidationFailed("A key needs a name.", f"{MAX_NAME} characters at most.")
    with engine.begin() as connection:
        made = _insert(connection, user.id, name, chosen, expires_at)
        audit.note(connection, _event("Create", made[0]))
    return made


def _event(what: events.Change, key: ApiKey, **detail: str) -> events.Event:
    scopes = None if key.scopes is None else list(key.scopes)
    return events.changed(
        "api key", what, key.id, user=key.user_id, name=key.name, scopes=scopes, **detail
    )


def _scope(name: str) -> Permission:
    if name not in SCOPES:
        raise ValidationFailed(f"{name!r} is no scope.", f"There are {', '.join(SCOPES)}.")
    return Permission(name)


def _insert(
    connection: Connection,
    user_id: str,
    name: str,
    scopes: tuple[Permission, ...] | None,
    expires_at: float | None,
) -> tuple[ApiKey, KeySecret]:
    secret = KeySecret.new()
    key = ApiKey(secret.id, user_id, name, scopes, time.time(), expires_at, None, None, None)
    values = {column: getattr(key, column) for column in key.__slots__}
    values |= {"hash": secret.hash, "scopes": None if scopes is None else list(scopes)}
    connection.execute(insert(api_keys).values(values))
    return key, secret


def verify(engine: Engine, secret: KeySecret) -> ApiKey | None:
    """The key that this is the secret of, valid or not; None if there is none."""
    with reading(engine) as connection:
        row = connection.execute(select(api_keys).where(api_keys.c.id == secret.id)).first()
    if row is None or not same(row.hash, secret.hash):
        return None
    return _key(row)


def used(engine: Engine, key: ApiKey) -> None:
    """Note that a key is in use, now and then."""
    now = time.time()
    if key.last_used_at is not None and now - key.last_used_at < USED_EVERY_S:
        return
    with engine.begin() as connection:
        connection.execute(update(api_keys).where(api_keys.c.id == key.id).values(last_used_at=now))


def get(engine: Engine, key_id: str) -> ApiKey:
    """Raises `ApiKeyNotFound`."""
    with reading(engine) as connection:
        row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).first()
    if row is None:
        raise unknown(key_id)
    return _key(row)


def unknown(key_id: str) -> ApiKeyNotFound:
    return ApiKeyNotFound(f"There is no API key {key_id!r}.", "GET /v1/keys lists yours.")


def every(engine: Engine, user_id: str | None = None) -> list[ApiKey]:
    """Of a user, or all; newest first."""
    query = select(api_keys).order_by(api_keys.c.created_at.desc(), api_keys.c.id)
    if user_id is not None:
        query = query.where(api_keys.c.user_id == user_id)
    with reading(engine) as connection:
        return [_key(row) for row in connection.execute(query)]


def rotate(
    engine: Engine, key_id: str, *, overlap_s: float = OVERLAP_S, expires_at: float | None = None
) -> tuple[ApiKey, KeySecret]:
    """A new key in the place of one, which goes on working for `overlap_s` seconds.

    Raises `ApiKeyNotFound`, `Conflict` for one that is revoked, expired or replaced already.
    """
    old, now = get(engine, key_id), time.time()
    with engine.begin() as connection:
        auth_epoch.move(connection)
        until = now + max(overlap_s, 0.0)
        ends = until if old.expires_at is None else min(until, old.expires_at)
        left = or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now)
        mine = (api_keys.c.id == key_id) & api_keys.c.revoked_at.is_(None) & left
        free = mine & api_keys.c.replaced_by.is_(None)
        new, secret = _insert(connection, old.user_id, old.name, old.scopes, expires_at)
        changed = update(api_keys).where(free).values(expires_at=ends, replaced_by=new.id)
        if not connection.execute(changed).rowcount:
            raise Conflict(
                f"API key {key_id} is revoked, expired or replaced.", "Create a new one."
            )
        audit.note(connection, _event("Create", new, replaces=key_id))
    return new, secret


def revoke(engine: Engine, key_id: str) -> ApiKey:
    """It counts from the next request on. Idempotent. Raises `ApiKeyNotFound`."""
    key = get(engine, key_id)
    with engine.begin() as connection:
        auth_epoch.move(connection)
        moment = func.coalesce(api_keys.c.revoked_at, time.time())
        connection.execute(
            update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=moment)
        )
        audit.note(connection, _event("Disable", key))
    return get(engine, key_id)


def bootstrap(engine: Engine) -> tuple[User, KeySecret] | None:
    """The first admin with a key: exactly once, however many ask at the same time.

    None where it was done before, or an admin is there.
    """
    now = time.time()
    with engine.begin() as connection:
        auth_epoch.move(connection)  # whoever else asks waits here
        first = update(auth_state).where(auth_state.c.bootstrapped_at.is_(None))
        if not connection.execute(first.values(bootstrapped_at=now)).rowcount:
            return None
        if users.has_admin(connection):
            return None
        name = _free_name(connection)
        user = User(
            KeySecret.new().id, name, "person", Role.ADMIN, "First admin", None, 0, now, None
        )
        values = {column: getattr(user, column) for column in user.__slots__}
        connection.execute(insert(users_table).values(values))
        key, secret = _insert(connection, user.id, "bootstrap", None, None)
        created = events.user_created(user.id, name, user.role)
        audit.note(connection, created, _event("Create", key))
    return user, secret


def _free_name(connection: Connection) -> str:
    query = select(users_table.c.name).where(users_table.c.name.like(f"{ADMIN}%"))
    taken = set(connection.execute(query).scalars())
    candidates = [ADMIN, *(f"{ADMIN}{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in candidates if name not in taken)


def _key(row: object) -> ApiKey:
    values = dict(row._mapping)  # type: ignore[attr-defined]
    del values["hash"]
    if values["scopes"] is not None:
        known = [name for name in values["scopes"] if name in SCOPES]
        values["scopes"] = tuple(Permission(name) for name in known)
    return ApiKey(**values)
