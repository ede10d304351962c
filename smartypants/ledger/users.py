"""Users: people and services, and under which names issuers know them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from smartypants.auditing import events
from smartypants.auth.roles import Role
from smartypants.errors import Conflict, UserNotFound, ValidationFailed
from smartypants.ledger import audit, auth_epoch
from smartypants.ledger.auth_schema import identities, sessions, users
from smartypants.ledger.columns import storable
from smartypants.ledger.database import reading

SEEN_EVERY_S = 3600.0
"""A user's last visit is noted no more often."""
MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class User:
    """A row of `users`; `user:NAME` is its principal. `kind` is `person` or `service`."""

    id: str
    name: str
    kind: str
    role: str
    display_name: str
    email: str | None
    disabled: int
    created_at: float
    seen_at: float | None

    @property
    def principal(self) -> str:
        return f"user:{self.name}"


def create(
    engine: Engine,
    name: str,
    *,
    role: Role,
    kind: str = "person",
    display_name: str = "",
    email: str | None = None,
    identity: tuple[str, str] | None = None,
) -> User:
    """A new user, known under an identity (issuer, subject) if one is given.

    Raises `ValidationFailed` for a bad name, `Conflict` if it is taken.
    """
    _check_name(name)
    if (kind == "service") != (role is Role.SERVICE) and role is not Role.NONE:
        raise ValidationFailed(
            f"A {kind} can't have the role {role}.", "Services have `service`, people another."
        )
    now = time.time()
    user = User(uuid.uuid4().hex, name, kind, role, display_name, email, 0, now, None)
    try:
        with engine.begin() as connection:
            auth_epoch.move(connection)
            values = {column: getattr(user, column) for column in user.__slots__}
            connection.execute(insert(users).values(values))
            if identity is not None:
                _link(connection, user.id, identity)
            audit.note(connection, events.user_created(user.id, name, role))
    except IntegrityError as exc:
        raise Conflict(
            f"There is a user {name!r} already.", "Choose another name, or link the login to it."
        ) from exc
    return user


def _check_name(name: str) -> None:
    if not name.strip() or storable(name) != name or len(name) > MAX_NAME or name != name.strip():
        raise ValidationFailed(
            f"{name[:MAX_NAME]!r} can't be a user's name.",
            f"Use 1 to {MAX_NAME} characters, without spaces around them.",
        )


def link(engine: Engine, user_id: str, identity: tuple[str, str]) -> None:
    """Let a user log in under a further identity. Raises `Conflict` if it is another user's."""
    issuer, subject = identity
    try:
        with engine.begin() as connection:
            auth_epoch.move(connection)
            _link(connection, user_id, identity)
            linked = events.user_changed(user_id, issuer=issuer, subject=subject)
            audit.note(connection, linked)
    except IntegrityError as exc:
        raise Conflict("The login belongs to another user already.") from exc


def _link(connection: Connection, user_id: str, identity: tuple[str, str]) -> None:
    issuer, subject = identity
    row = {"issuer": issuer, "subject": subject, "user_id": user_id, "created_at": time.time()}
    connection.execute(insert(identities).values(row))


def of_identity(engine: Engine, issuer: str, subject: str) -> User | None:
    """The user whom an issuer knows by this name."""
    mine = (identities.c.issuer == issuer) & (identities.c.subject == subject)
    return _first(engine, select(users).join(identities).where(mine))


def by_id(engine: Engine, user_id: str) -> User | None:
    return _first(engine, select(users).where(users.c.id == user_id))


def named(engine: Engine, name: str) -> User:
    """Raises `UserNotFound`."""
    found = _first(engine, select(users).where(users.c.name == name))
    if found is None:
        raise UserNotFound(f"There is no user {name!r}.", "`smartypants users list` lists them.")
    return found


def named_or_none(engine: Engine, name: str) -> User | None:
    return _first(engine, select(users).where(users.c.name == name))


def page(engine: Engine, *, after: str = "", limit: int) -> list[User]:
    """By name, from just behind `after`."""
    query = select(users).where(users.c.name > after).order_by(users.c.name).limit(limit)
    with reading(engine) as connection:
        return [User(**row._mapping) for row in connection.execute(query)]


def change(
    engine: Engine, name: str, *, role: Role | None = None, disabled: bool | None = None
) -> User:
    """Another role; shut out, or let in again. It counts from the next request on.

    Raises `UserNotFound`, `ValidationFailed`.
    """
    user = named(engine, name)
    if role is not None and (user.kind == "service") != (role is Role.SERVICE):
        raise ValidationFailed(f"A {user.kind} can't have the role {role}.", "Choose another.")
    values: dict[str, object] = {}
    if role is not None:
        values["role"] = role
    if disabled is not None:
        values["disabled"] = int(disabled)
    with engine.begin() as connection:
        auth_epoch.move(connection)
        if values:
            connection.execute(update(users).where(users.c.id == user.id).values(values))
        if disabled:
            connection.execute(delete(sessions).where(sessions.c.user_id == user.id))
        audit.note(connection, *_changes(user, role, disabled))
    return named(engine, name)


def _changes(user: User, role: Role | None, disabled: bool | None) -> list[events.Event]:
    found = []
    if role is not None:
        found.append(events.role_given(user.id, user.name, role))
    if disabled is not None:
        found.append(events.user_switched(user.id, user.name, disabled=disabled))
    return found


def rename(engine: Engine, user: User, name: str) -> User:
    """The user by another name, or as it is if that is taken or none."""
    try:
        _check_name(name)
        with engine.begin() as connection:
            auth_epoch.move(connection)
            connection.execute(update(users).where(users.c.id == user.id).values(name=name))
            changed = events.user_changed(user.id, name=name, former_name=user.name)
            audit.note(connection, changed)
    except (IntegrityError, ValidationFailed):
        return user
    return named(engine, name)


def seen(engine: Engine, user: User) -> None:
    """Note that somebody was here, now and then."""
    now = time.time()
    if user.seen_at is not None and now - user.seen_at < SEEN_EVERY_S:
        return
    with engine.begin() as connection:
        connection.execute(update(users).where(users.c.id == user.id).values(seen_at=now))


def has_admin(connection: Connection) -> bool:
    """Whether somebody who may log in is an admin."""
    admins = select(users.c.id).where(users.c.role == Role.ADMIN, users.c.disabled == 0)
    return connection.execute(admins.limit(1)).first() is not None


def names(engine: Engine, user_ids: Sequence[str]) -> dict[str, str]:
    """The users' names by their ids."""
    query = select(users.c.id, users.c.name).where(users.c.id.in_(sorted(set(user_ids))))
    with reading(engine) as connection:
        return {row.id: row.name for row in connection.execute(query)}


def _first(engine: Engine, query: Select[tuple[object, ...]]) -> User | None:
    with reading(engine) as connection:
        row = connection.execute(query).first()
    return None if row is None else User(**row._mapping)
