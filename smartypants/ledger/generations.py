"""Generations of a collection: a new physical one is filled while searches use the old one.

Searches change over in one transaction, and only once every searchable document is whole in the
new one. What is filled survives a crash; the one that was left is `retired` until it is dropped.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from smartypants.ledger.collections import get, move_epoch, physical_name
from smartypants.ledger.database import BATCH, reading, upsert
from smartypants.ledger.documents import Document
from smartypants.ledger.schema import collections, documents, generations, staged, versions
from smartypants.types import DocumentState


class GenerationState(StrEnum):
    FILLING = "filling"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Generation:
    """A row of `generations`."""

    physical: str
    collection: str
    embedding_model: str
    dimension: int
    recipe: str
    state: str
    changed_at: float


@dataclass(frozen=True, slots=True)
class Staged:
    """A document whose chunks are all in the new generation, flushed."""

    document_id: str
    version: str
    acl_id: int
    chunk_count: int


def every(engine: Engine, collection: str) -> list[Generation]:
    """All of a collection besides the one that searches use."""
    with reading(engine) as connection:
        return _every(connection, collection)


def _every(connection: Connection, collection: str) -> list[Generation]:
    query = select(generations).where(generations.c.collection == collection)
    return [Generation(**row._mapping) for row in connection.execute(query)]


def physicals(engine: Engine, collection: str) -> list[str]:
    """Every physical collection that may hold chunks of this one, the searched one first.

    Raises `CollectionNotFound`.
    """
    return [get(engine, collection).physical, *(g.physical for g in every(engine, collection))]


def begin(
    engine: Engine, collection: str, *, embedding_model: str, dimension: int, recipe: str
) -> tuple[Generation, bool]:
    """The generation that is being filled by this recipe, and whether it was begun just now.

    One that was being filled by another recipe is retired. Raises `CollectionNotFound`.
    """
    live = get(engine, collection).physical
    now = time.time()
    with engine.begin() as connection:
        move_epoch(connection, collection)  # one at a time
        known = _every(connection, collection)
        for item in known:
            if item.state == GenerationState.FILLING and item.recipe == recipe:
                return item, False
        for item in known:
            if item.state == GenerationState.FILLING:
                _retire(connection, item.physical, now)
        number = 1 + max(_number(name) for name in (live, *(item.physical for item in known)))
        new = Generation(
            physical=physical_name(collection, embedding_model, number),
            collection=collection,
            embedding_model=embedding_model,
            dimension=dimension,
            recipe=recipe,
            state=GenerationState.FILLING,
            changed_at=now,
        )
        connection.execute(
            insert(generations).values(
                physical=new.physical,
                collection=collection,
                embedding_model=embedding_model,
                dimension=dimension,
                recipe=recipe,
                state=new.state,
                changed_at=now,
            )
        )
    return new, True


def left(
    engine: Engine, generation: Generation, *, after: str = "", limit: int = BATCH
) -> list[tuple[Document, bool]]:
    """Searchable documents that the generation does not hold as they are now, by id, from just
    behind the id `after`; and whether it holds a former version of them."""
    holds = exists().where(
        staged.c.physical == generation.physical, staged.c.document_id == documents.c.id
    )
    query = (
        select(documents, holds.label("held"))
        .where(_left(generation), documents.c.id > after)
        .order_by(documents.c.id)
        .limit(limit)
    )
    with reading(engine) as connection:
        rows = [dict(row._mapping) for row in connection.execute(query)]
    return [(Document(**row), bool(held)) for row in rows for held in (row.pop("held"),)]


def count_left(engine: Engine, generation: Generation) -> int:
    with reading(engine) as connection:
        query = select(func.count()).select_from(documents).where(_left(generation))
        return int(connection.execute(query).scalar_one())


def _left(generation: Generation) -> ColumnElement[bool]:
    whole = exists().where(
        staged.c.physical == generation.physical,
        staged.c.document_id == documents.c.id,
        staged.c.version == documents.c.indexed_version,
        staged.c.acl_id == documents.c.acl_id,
    )
    return and_(_searchable(generation.collection), ~whole)


def _searchable(collection: str) -> ColumnElement[bool]:
    return and_(
        documents.c.collection == collection,
        documents.c.indexed_version.is_not(None),
        documents.c.state != DocumentState.DELETED,
    )


def stage(engine: Engine, generation: Generation, whole: Sequence[Staged]) -> None:
    """Note documents that the generation holds. Idempotent."""
    rows = [
        {
            "physical": generation.physical,
            "document_id": item.document_id,
            "version": item.version,
            "acl_id": item.acl_id,
            "chunk_count": item.chunk_count,
        }
        for item in whole
    ]
    with engine.begin() as connection:
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            connection.execute(upsert(engine, staged, part, "version", "acl_id", "chunk_count"))


def stale(engine: Engine, generation: Generation) -> list[str]:
    """Documents that the generation holds and that are no longer searchable."""
    shown = exists().where(
        documents.c.id == staged.c.document_id, _searchable(generation.collection)
    )
    query = select(staged.c.document_id).where(staged.c.physical == generation.physical, ~shown)
    with reading(engine) as connection:
        return list(connection.execute(query).scalars())


def unstage(engine: Engine, generation: Generation, document_ids: Sequence[str]) -> None:
    """Note that the generation no longer holds these documents."""
    with engine.begin() as connection:
        for start in range(0, len(document_ids), BATCH):
            ids = document_ids[start : start + BATCH]
            connection.execute(
                delete(staged).where(
                    staged.c.physical == generation.physical, staged.c.document_id.in_(ids)
                )
            )


def switch(engine: Engine, generation: Generation) -> bool:
    """Let searches use this generation, and retire the one that they used.

    False, and nothing is changed, if by now a searchable document is not whole in it.
    """
    now = time.time()
    mine = collections.c.name == generation.collection
    with engine.begin() as connection:
        move_epoch(connection, generation.collection)
        if connection.execute(select(documents.c.id).where(_left(generation)).limit(1)).first():
            return False
        former = connection.execute(select(collections).where(mine)).mappings().one()
        for table, key, current in (
            (documents, documents.c.id, _searchable(generation.collection)),
            (versions, versions.c.document_id, versions.c.replaced_at.is_(None)),
        ):
            here = and_(staged.c.physical == generation.physical, staged.c.document_id == key)
            count = select(staged.c.chunk_count).where(here).scalar_subquery()
            counted = update(table).where(current, exists().where(here))
            connection.execute(counted.values(chunk_count=count))
        connection.execute(
            update(documents)
            .where(_searchable(generation.collection))
            .values(placed_acl_id=None)  # `_left` has compared the ACLs
        )
        connection.execute(
            update(collections)
            .where(mine)
            .values(
                physical=generation.physical,
                embedding_model=generation.embedding_model,
                dimension=generation.dimension,
            )
        )
        _forget(connection, generation.physical)
        connection.execute(
            insert(generations).values(
                physical=former["physical"],
                collection=generation.collection,
                embedding_model=former["embedding_model"],
                dimension=former["dimension"],
                recipe="",
                state=GenerationState.RETIRED,
                changed_at=now,
            )
        )
    return True


def forget(engine: Engine, physical: str) -> None:
    """Note that a retired generation was dropped. Idempotent."""
    with engine.begin() as connection:
        _forget(connection, physical)


def _forget(connection: Connection, physical: str) -> None:
    connection.execute(delete(staged).where(staged.c.physical == physical))
    connection.execute(delete(generations).where(generations.c.physical == physical))


def _retire(connection: Connection, physical: str, now: float) -> None:
    connection.execute(delete(staged).where(staged.c.physical == physical))
    connection.execute(
        update(generations)
        .where(generations.c.physical == physical)
        .values(state=GenerationState.RETIRED, changed_at=now)
    )


def _number(physical: str) -> int:
    found = re.search(r"__v(\d+)$", physical)
    return int(found[1]) if found else 0
