"""Permissions by reference: a distinct set of principals has one small integer id.

Documents and chunks carry the id alone, so granting or revoking changes rows here and no vector.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Engine, insert, select

from smartypants.errors import ValidationFailed
from smartypants.ledger.columns import storable
from smartypants.ledger.database import BATCH, reading, upsert
from smartypants.ledger.schema import acl_principals, acls
from smartypants.types import PUBLIC, stable_id


def acl_id(connection: Connection, principals: Iterable[str]) -> int:
    """The id of a set of principals (`user:…`, `group:…`, `public`), made if it is new.

    In a transaction that needs several, ask for them in the order of `acl_key`.
    """
    members = sorted(set(principals))
    for member in members:
        check_principal(member)
    key = acl_key(members)
    found = connection.execute(select(acls.c.id).where(acls.c.key == key)).scalar()
    if found is not None:
        return int(found)
    # Where another transaction makes the same set just now, this waits until that one ends.
    made = upsert(connection.engine, acls, [{"key": key}]).returning(acls.c.id)
    new = connection.execute(made).scalar()
    if new is None:
        return int(connection.execute(select(acls.c.id).where(acls.c.key == key)).scalar_one())
    if members:
        rows = [{"acl_id": new, "principal": member} for member in members]
        connection.execute(insert(acl_principals), rows)
    return int(new)


def check_principal(principal: str) -> None:
    """Raises `ValidationFailed` for what is no `user:…`, `group:…` or `public`."""
    if principal != PUBLIC and not principal.startswith(("user:", "group:")):
        raise ValidationFailed(
            f"{principal!r} is not a principal.", "Use user:NAME, group:NAME or public."
        )
    if not _possible(principal):
        raise ValidationFailed(
            f"{principal!r} has characters that no principal may have.",
            "Leave out NUL characters and lone surrogates.",
        )


def acl_key(principals: Iterable[str]) -> str:
    """What tells one set of principals from another."""
    return stable_id(*sorted(set(principals)))


def allowed_acl_ids(engine: Engine, principals: Iterable[str]) -> tuple[int, ...]:
    """The ids that a caller with these principals may read, ascending."""
    with reading(engine) as connection:
        return allowed_ids(connection, principals)


def allowed_ids(connection: Connection, principals: Iterable[str]) -> tuple[int, ...]:
    """As `allowed_acl_ids`, in a transaction of the caller's."""
    wanted = sorted({PUBLIC, *filter(_possible, principals)})
    allowed: set[int] = set()
    for start in range(0, len(wanted), BATCH):
        part = acl_principals.c.principal.in_(wanted[start : start + BATCH])
        query = select(acl_principals.c.acl_id).where(part).distinct()
        allowed.update(connection.execute(query).scalars())
    return tuple(sorted(allowed))


def _possible(principal: str) -> bool:
    """Two principals must never be stored as the same text."""
    return storable(principal) == principal


def principals(engine: Engine, acl_ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """The principals of each id, ascending."""
    found: dict[int, list[str]] = {acl_id: [] for acl_id in acl_ids}
    query = select(acl_principals).where(acl_principals.c.acl_id.in_(sorted(found)))
    with reading(engine) as connection:
        for row in connection.execute(query):
            found[row.acl_id].append(row.principal)
    return {acl_id: tuple(sorted(members)) for acl_id, members in found.items()}


def every_id(engine: Engine) -> tuple[int, ...]:
    """All ids, for operators of the machine; no caller of the API has them by this."""
    with reading(engine) as connection:
        return tuple(connection.execute(select(acls.c.id)).scalars())
