"""The recipes that a collection has and had; at most one of them is active."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, and_, select, update

from smartypants.auditing import events
from smartypants.ledger import audit
from smartypants.ledger.collections import hold, move_epoch
from smartypants.ledger.database import reading, upsert
from smartypants.ledger.schema import recipes
from smartypants.recipes import Recipe

MAX_HISTORY = 100


@dataclass(frozen=True, slots=True)
class StoredRecipe:
    """A row of `recipes`; `evidence` is None where somebody set it by hand."""

    collection: str
    version: str
    recipe: Recipe
    evidence: Mapping[str, Any] | None
    created_at: float
    active: bool


def active(engine: Engine, collection: str) -> StoredRecipe | None:
    """The recipe that searches of the collection use; None: the settings'."""
    mine = and_(recipes.c.collection == collection, recipes.c.active == 1)
    with reading(engine) as connection:
        row = connection.execute(select(recipes).where(mine)).first()
    return None if row is None else _stored(row)


def history(engine: Engine, collection: str) -> list[StoredRecipe]:
    """Newest first, the last `MAX_HISTORY`."""
    mine = select(recipes).where(recipes.c.collection == collection)
    ordered = mine.order_by(recipes.c.created_at.desc(), recipes.c.version).limit(MAX_HISTORY)
    with reading(engine) as connection:
        return [_stored(row) for row in connection.execute(ordered)]


def activate(
    engine: Engine, collection: str, recipe: Recipe, *, evidence: Mapping[str, Any] | None = None
) -> StoredRecipe:
    """Let searches of the collection use this recipe from now on. Idempotent.

    Raises `CollectionNotFound`.
    """
    row = {
        "collection": collection,
        "version": recipe.version,
        "recipe": recipe.model_dump(mode="json"),
        "evidence": None if evidence is None else dict(evidence),
        "created_at": time.time(),
        "active": 1,
    }
    with engine.begin() as connection:
        move_epoch(connection, collection)
        hold(connection, collection)
        connection.execute(_deactivation(collection))
        changed = ("evidence", "created_at", "active")
        connection.execute(upsert(engine, recipes, [row], *changed))
        version = recipe.version
        audit.note(connection, events.changed("recipe", "Activate", collection, version=version))
    return _stored_from(row)


def reset(engine: Engine, collection: str) -> None:
    """Let searches use the settings' recipe again. Raises `CollectionNotFound`."""
    with engine.begin() as connection:
        move_epoch(connection, collection)
        hold(connection, collection)
        connection.execute(_deactivation(collection))
        audit.note(connection, events.changed("recipe", "Delete", collection))


def readable(fields: Mapping[str, Any]) -> Recipe:
    """A recipe that was kept as JSON; fields that only another version knew are left out."""
    known = {name: value for name, value in fields.items() if name in Recipe.model_fields}
    return Recipe.model_validate(known)


def _deactivation(collection: str) -> Any:
    mine = and_(recipes.c.collection == collection, recipes.c.active == 1)
    return update(recipes).where(mine).values(active=0)


def _stored(row: Any) -> StoredRecipe:
    return _stored_from(row._mapping)


def _stored_from(row: Mapping[str, Any]) -> StoredRecipe:
    return StoredRecipe(
        collection=row["collection"],
        version=row["version"],
        recipe=readable(row["recipe"]),
        evidence=row["evidence"],
        created_at=row["created_at"],
        active=bool(row["active"]),
    )
