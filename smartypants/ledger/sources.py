"""Sources as callers may see them: where documents come from, and how many of them there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, exists, func, or_, select

from smartypants.auth.reach import Reach
from smartypants.errors import SourceNotFound
from smartypants.ledger.database import reading
from smartypants.ledger.listing import Source
from smartypants.ledger.reaching import within
from smartypants.ledger.schema import documents, sources
from smartypants.types import DocumentState


@dataclass(frozen=True, slots=True)
class SeenSource:
    """A source, and its documents that the caller may read, by state."""

    source: Source
    counts: Mapping[str, int]


def seen(
    engine: Engine,
    *,
    acl_ids: Sequence[int],
    reach: Reach,
    edits: Reach,
    collection: str | None = None,
    source_id: str | None = None,
) -> list[SeenSource]:
    """Those in reach that have a readable document, and all of collections that the caller edits.

    One collection's, or one by its id, where asked.
    """
    mine = documents.c.acl_id.in_(acl_ids) & (documents.c.state != DocumentState.DELETED)
    readable = exists().where(documents.c.source_id == sources.c.id, mine)
    query = select(sources).where(
        within(sources.c.collection, reach), or_(within(sources.c.collection, edits), readable)
    )
    if collection is not None:
        query = query.where(sources.c.collection == collection)
    if source_id is not None:
        query = query.where(sources.c.id == source_id)
    with reading(engine) as connection:
        rows = [Source(**row._mapping) for row in connection.execute(query)]
        numbers = (
            select(documents.c.source_id, documents.c.state, func.count())
            .where(mine, documents.c.source_id.in_(query.with_only_columns(sources.c.id)))
            .group_by(documents.c.source_id, documents.c.state)
        )
        counts: dict[str, dict[str, int]] = {row.id: {} for row in rows}
        for owner, state, number in connection.execute(numbers):
            counts.setdefault(owner, {})[state] = number
    return [SeenSource(row, counts[row.id]) for row in rows]


def unknown(source_id: str) -> SourceNotFound:
    return SourceNotFound(f"There is no source {source_id!r}.", "GET /v1/sources lists them.")
