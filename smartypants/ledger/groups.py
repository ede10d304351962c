"""Groups of users, given over the API or claimed by the issuers of logins."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, insert, select

from smartypants.auditing import events
from smartypants.errors import NotFound, ValidationFailed
from smartypants.ledger import audit, auth_epoch
from smartypants.ledger.auth_schema import groups, memberships, users
from smartypants.ledger.columns import storable
from smartypants.ledger.database import reading, upsert

API = "api"
"""The origin of memberships that somebody gave here; others have their issuer's name."""
MAX_NAME = 290


@dataclass(frozen=True, slots=True)
class Membership:
    """Who is in a group, and who says so."""

    group: str
    user: str
    origin: str


def of_user(engine: Engine, user_id: str) -> tuple[str, ...]:
    """The names of a user's groups, ascending."""
    mine = select(memberships.c.group_name).where(memberships.c.user_id == user_id).distinct()
    with reading(engine) as connection:
        return tuple(sorted(connection.execute(mine).scalars()))


def every(engine: Engine) -> dict[str, list[Membership]]:
    """Each group's members, by name."""
    query = (
        select(groups.c.name, users.c.name.label("user"), memberships.c.origin)
        .outerjoin(memberships, memberships.c.group_name == groups.c.name)
        .outerjoin(users, users.c.id == memberships.c.user_id)
        .order_by(groups.c.name, users.c.name, memberships.c.origin)
    )
    found: dict[str, list[Membership]] = {}
    with reading(engine) as connection:
        for row in connection.execute(query):
            members = found.setdefault(row.name, [])
            if row.user is not None:
                members.append(Membership(row.name, row.user, row.origin))
    return found


def set_members(engine: Engine, group: str, user_ids: Iterable[str]) -> None:
    """Make these the members that were given here; what issuers claim stays.

    It counts from the next request on. Raises `ValidationFailed` for a bad name.
    """
    _check_name(group)
    wanted = sorted(set(user_ids))
    mine = (memberships.c.group_name == group) & (memberships.c.origin == API)
    with engine.begin() as connection:
        auth_epoch.move(connection)
        _ensure(connection, [group])
        connection.execute(delete(memberships).where(mine))
        if wanted:
            rows = [{"group_name": group, "user_id": each, "origin": API} for each in wanted]
            connection.execute(insert(memberships), rows)
        audit.note(connection, events.changed("group", "Update", group, members=wanted))


def claim(engine: Engine, user_id: str, names: Sequence[str], *, origin: str) -> bool:
    """Make these the groups that an issuer says a user is in; whether that changed anything.

    Names that no group can have are left out.
    """
    wanted = {name for name in names if _possible(name)}
    mine = (memberships.c.user_id == user_id) & (memberships.c.origin == origin)
    with reading(engine) as connection:
        known = set(connection.execute(select(memberships.c.group_name).where(mine)).scalars())
    if known == wanted:
        return False
    with engine.begin() as connection:
        auth_epoch.move(connection)
        _ensure(connection, sorted(wanted))
        connection.execute(delete(memberships).where(mine))
        if wanted:
            rows = [
                {"group_name": name, "user_id": user_id, "origin": origin}
                for name in sorted(wanted)
            ]
            connection.execute(insert(memberships), rows)
        said = events.user_changed(user_id, groups=", ".join(sorted(wanted)), issuer=origin)
        audit.note(connection, said)
    return True


def remove(engine: Engine, group: str) -> None:
    """Remove a group with all its memberships; its issuer may claim it again.

    Raises `NotFound`.
    """
    with engine.begin() as connection:
        auth_epoch.move(connection)
        connection.execute(delete(memberships).where(memberships.c.group_name == group))
        if not connection.execute(delete(groups).where(groups.c.name == group)).rowcount:
            raise NotFound(f"There is no group {group!r}.", "`smartypants groups list` lists them.")
        audit.note(connection, events.changed("group", "Delete", group))


def _ensure(connection: Connection, names: Sequence[str]) -> None:
    if names:
        rows = [{"name": name, "created_at": time.time()} for name in names]
        connection.execute(upsert(connection.engine, groups, rows))


def _possible(name: str) -> bool:
    return bool(name.strip()) and storable(name) == name and len(name) <= MAX_NAME


def _check_name(name: str) -> None:
    if not _possible(name):
        raise ValidationFailed(
            f"{name[:MAX_NAME]!r} can't be a group's name.", f"Use 1 to {MAX_NAME} characters."
        )
