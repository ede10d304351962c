"""Collections: a name that users see, and the physical collection it stands for."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Never

from sqlalchemy import Connection, Engine, delete, select, update

from smartypants.auditing import events
from smartypants.auth.callers import unknown_collection
from smartypants.auth.reach import EVERYWHERE, Reach
from smartypants.errors import CollectionNotFound, EmbeddingModelMismatch, ValidationFailed
from smartypants.ledger import acls, audit, grants
from smartypants.ledger.columns import fit
from smartypants.ledger.database import BATCH, lock, reading, snapshot, upsert
from smartypants.ledger.safety_schema import safety_overrides
from smartypants.ledger.schema import (
    collections,
    documents,
    feedback,
    generations,
    jobs,
    prompt_activations,
    prompts,
    recipes,
    relations,
    sources,
    staged,
    versions,
)
from smartypants.types import stable_id

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
MAX_SLUG = 100
MAX_MODEL = 300


@dataclass(frozen=True, slots=True)
class Collection:
    """A row of `collections`."""

    name: str
    physical: str
    embedding_model: str
    dimension: int
    epoch: int
    created_at: float

    @property
    def standing(self) -> str:
        """Names what searches can see: it changes with all that changes that.

        The time is part of it because one that was forgotten and made again has the old name
        and counts its epochs from 0 once more.
        """
        return stable_id(self.name, self.physical, repr(self.created_at), self.epoch)


def ensure(engine: Engine, name: str, *, embedding_model: str, dimension: int) -> Collection:
    """The collection, made if it is new.

    Raises `ValidationFailed` for a bad name, `EmbeddingModelMismatch` if it was embedded with
    another model, or to another dimension.
    """
    if not NAME.fullmatch(name):
        raise ValidationFailed(
            f"{name!r} is not a collection name.",
            "Use up to 63 lower-case letters, digits and underscores, a letter first.",
        )
    values = {
        "name": name,
        "physical": physical_name(name, embedding_model, 1),
        "embedding_model": embedding_model,
        "dimension": dimension,
        "epoch": 0,
        "created_at": time.time(),
    }
    mine = select(collections).where(collections.c.name == name)
    with engine.begin() as connection:
        row = connection.execute(mine).first()
        if row is None:
            connection.execute(upsert(engine, collections, [values]))
            audit.note(connection, events.changed("collection", "Create", name))
            row = connection.execute(mine).one()  # ours, or that of whoever was quicker
    found = Collection(**row._mapping)
    check_model(found, embedding_model, dimension)
    return found


def physical_name(name: str, embedding_model: str, number: int) -> str:
    """The name of a collection in the vector store, a new one for each generation."""
    slug = re.sub(r"[^a-z0-9]+", "_", embedding_model.rsplit("/", 1)[-1].lower()).strip("_")
    return f"{name}__{slug[:MAX_SLUG]}__v{number}"


def check_model(collection: Collection, embedding_model: str, dimension: int | None = None) -> None:
    """Raises `EmbeddingModelMismatch` unless the collection was embedded with this model, to
    this dimension, where one is given."""
    if collection.embedding_model != fit(embedding_model, MAX_MODEL):
        raise EmbeddingModelMismatch(
            f"Collection {collection.name!r} was embedded with {collection.embedding_model}, "
            f"not with {embedding_model}.",
            "Set embedder.model to the former, or embed it anew with `smartypants reindex`.",
        )
    if dimension is not None and dimension != collection.dimension:
        raise EmbeddingModelMismatch(
            f"Collection {collection.name!r} has vectors of {collection.dimension} dimensions, "
            f"not of {dimension}.",
            "Set embedder.dimension to the former, or use another collection.",
        )


def get(engine: Engine, name: str, reach: Reach = EVERYWHERE) -> Collection:
    """Raises `CollectionNotFound`, also for one that is out of reach."""
    with reading(engine) as connection:
        found = _find(connection, name) if reach.has(name) else None
    return found or _missing(engine, name, reach)


def standing(engine: Engine, name: str) -> str | None:
    """`Collection.standing` as it is now; None if there is no such collection any more."""
    with reading(engine) as connection:
        found = _find(connection, name)
    return None if found is None else found.standing


def readable(
    engine: Engine, name: str, principals: Iterable[str], reach: Reach = EVERYWHERE
) -> tuple[Collection, tuple[int, ...]]:
    """The collection and the ACL ids that a caller may read, both as of one moment.

    Raises `CollectionNotFound`, also for one that is out of reach.
    """
    with snapshot(engine) as connection:
        found = _find(connection, name) if reach.has(name) else None
        allowed = acls.allowed_ids(connection, principals)
    return found or _missing(engine, name, reach), allowed


def _find(connection: Connection, name: str) -> Collection | None:
    row = connection.execute(select(collections).where(collections.c.name == name)).first()
    return None if row is None else Collection(**row._mapping)


def _missing(engine: Engine, name: str, reach: Reach) -> Never:
    """The hint names what there is, to those who may know of everything."""
    if reach.only is not None or reach.but:
        raise unknown_collection(name)
    known = ", ".join(item.name for item in every(engine)) or "none yet"
    raise CollectionNotFound(
        f"There is no collection {name!r}.",
        f"Collections: {known}. Create one with `smartypants ingest PATH --collection NAME`.",
    )


def every(engine: Engine) -> list[Collection]:
    """All collections by name."""
    with reading(engine) as connection:
        rows = connection.execute(select(collections).order_by(collections.c.name)).all()
    return [Collection(**row._mapping) for row in rows]


def hold(connection: Connection, name: str) -> None:
    """Keep a collection from being forgotten until the transaction ends.

    Raises `CollectionNotFound` if it has been.
    """
    row = select(collections.c.name).where(collections.c.name == name)
    held = connection.execute(row.with_for_update(read=True, key_share=True)).first()
    if held is None:
        raise CollectionNotFound(f"There is no collection {name!r} any more.")


def move_epoch(connection: Connection, name: str) -> None:
    """Note, in the transaction of a change, that searches now may show something else.

    It comes before the change: see `database.lock` for the order.
    """
    moved = update(collections).where(collections.c.name == name)
    connection.execute(moved.values(epoch=collections.c.epoch + 1))


def forget(engine: Engine, name: str) -> list[str]:
    """Remove the collection and all its rows; the ids of the documents that it had."""
    with engine.begin() as connection:
        whole = select(collections.c.name).where(collections.c.name == name)
        connection.execute(whole.with_for_update())  # waits for whoever holds it
        mine = documents.c.collection == name
        ids = list(connection.execute(select(documents.c.id).where(mine)).scalars())
        lock(connection, documents, ids)
        theirs = select(documents.c.id).where(mine).scalar_subquery()
        connection.execute(delete(versions).where(versions.c.document_id.in_(theirs)))
        for end in (relations.c.document_id, relations.c.other_id):
            connection.execute(delete(relations).where(end.in_(theirs)))
        besides = select(generations.c.physical).where(generations.c.collection == name)
        connection.execute(delete(staged).where(staged.c.physical.in_(besides.scalar_subquery())))
        connection.execute(delete(generations).where(generations.c.collection == name))
        connection.execute(delete(documents).where(mine))
        connection.execute(delete(jobs).where(jobs.c.collection == name))
        connection.execute(delete(sources).where(sources.c.collection == name))
        connection.execute(delete(recipes).where(recipes.c.collection == name))
        for table in (prompt_activations, prompts, safety_overrides):
            connection.execute(delete(table).where(table.c.collection == name))
        connection.execute(delete(feedback).where(feedback.c.collection == name))
        connection.execute(delete(collections).where(collections.c.name == name))
        grants.forget(connection, name)
        for start in range(0, len(ids), BATCH):
            audit.note(connection, events.documents_deleted(name, ids[start : start + BATCH]))
        audit.note(connection, events.changed("collection", "Delete", name))
    return ids
