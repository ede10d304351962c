"""Roles in single collections.

A collection without grants is for everybody, by their own roles. One that has any is for those
whom they name, and for admins; to others it does not exist.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, select

from smartypants.auditing import events
from smartypants.auth.roles import GRANTABLE, Role, higher
from smartypants.errors import NotFound, ValidationFailed
from smartypants.ledger import acls, audit, auth_epoch
from smartypants.ledger.auth_schema import grants
from smartypants.ledger.database import reading, upsert


@dataclass(frozen=True, slots=True)
class Grant:
    """A row of `grants`."""

    collection: str
    principal: str
    role: str
    created_at: float


def give(engine: Engine, collection: str, principal: str, role: Role) -> Grant:
    """Give a role, or another one than before. It counts from the next request on.

    Raises `ValidationFailed`.
    """
    acls.check_principal(principal)
    if role not in GRANTABLE:
        raise ValidationFailed(f"{role} can't be granted.", f"Grant {' or '.join(GRANTABLE)}.")
    grant = Grant(collection, principal, role, time.time())
    row = {name: getattr(grant, name) for name in grant.__slots__}
    with engine.begin() as connection:
        auth_epoch.move(connection)
        connection.execute(upsert(engine, grants, [row], "role"))
        given = events.changed("grant", "Create", collection, principal=principal, role=role)
        audit.note(connection, given)
    return grant


def take(engine: Engine, collection: str, principal: str) -> None:
    """Take a grant back. Raises `NotFound`."""
    mine = (grants.c.collection == collection) & (grants.c.principal == principal)
    with engine.begin() as connection:
        auth_epoch.move(connection)
        if not connection.execute(delete(grants).where(mine)).rowcount:
            raise NotFound(f"{principal} has no grant for {collection!r}.")
        audit.note(connection, events.changed("grant", "Delete", collection, principal=principal))


def forget(connection: Connection, collection: str) -> None:
    """In the transaction that removes the collection: one that is made anew is not for those
    who might use the former."""
    auth_epoch.move(connection)
    connection.execute(delete(grants).where(grants.c.collection == collection))


def every(engine: Engine, collection: str | None = None) -> list[Grant]:
    """By collection and principal."""
    query = select(grants).order_by(grants.c.collection, grants.c.principal)
    if collection is not None:
        query = query.where(grants.c.collection == collection)
    with reading(engine) as connection:
        return [Grant(**row._mapping) for row in connection.execute(query)]


def roles(engine: Engine, principals: Iterable[str]) -> dict[str, Role | None]:
    """Each collection that has grants, and the highest role that one of these principals has
    in it; None where none has any."""
    mine = set(principals)
    found: dict[str, Role | None] = {}
    for grant in every(engine):
        role = found.setdefault(grant.collection, None)
        if grant.principal in mine:
            found[grant.collection] = higher(role, Role(grant.role))
    return found
