"""The safety overrides that collections have."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, delete, select

from smartypants.auditing import events
from smartypants.ledger import audit
from smartypants.ledger.collections import hold, move_epoch
from smartypants.ledger.database import reading, upsert
from smartypants.ledger.safety_schema import safety_overrides


@dataclass(frozen=True, slots=True)
class StoredOverrides:
    """A row of `safety_overrides`."""

    collection: str
    overrides: Mapping[str, Any]
    changed_at: float
    changed_by: str


def get(engine: Engine, collection: str) -> StoredOverrides | None:
    """None: what the settings say is all."""
    mine = select(safety_overrides).where(safety_overrides.c.collection == collection)
    with reading(engine) as connection:
        row = connection.execute(mine).first()
    return None if row is None else StoredOverrides(**row._mapping)


def put(
    engine: Engine, collection: str, overrides: Mapping[str, Any], *, changed_by: str = ""
) -> None:
    """Answers follow them from now on, and none that was kept before is given again.

    Raises `CollectionNotFound`.
    """
    row = {
        "collection": collection,
        "overrides": dict(overrides),
        "changed_at": time.time(),
        "changed_by": changed_by,
    }
    with engine.begin() as connection:
        move_epoch(connection, collection)
        hold(connection, collection)
        changed = ("overrides", "changed_at", "changed_by")
        connection.execute(upsert(engine, safety_overrides, [row], *changed))
        audit.note(connection, events.changed("safety overrides", "Update", collection))


def reset(engine: Engine, collection: str) -> None:
    """Raises `CollectionNotFound`."""
    with engine.begin() as connection:
        move_epoch(connection, collection)
        hold(connection, collection)
        mine = safety_overrides.c.collection == collection
        connection.execute(delete(safety_overrides).where(mine))
        audit.note(connection, events.changed("safety overrides", "Delete", collection))
