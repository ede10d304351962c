"""What documents are to each other: attachments, replies, parts, moves, duplicates."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Select, and_, delete, insert, select

from smartypants.auth.reach import EVERYWHERE, Reach
from smartypants.ledger.database import reading
from smartypants.ledger.documents import Document
from smartypants.ledger.reaching import within
from smartypants.ledger.schema import documents, relations
from smartypants.types import DocumentRef, DocumentState, RelationKind, stable_id

MAX_RELATED = 100
DUPLICATE = "duplicate_of"
REVERSED = {
    RelationKind.ATTACHMENT_OF: "has_attachment",
    RelationKind.REPLY_TO: "has_reply",
    RelationKind.PART_OF: "has_part",
    RelationKind.MOVED_FROM: "moved_to",
}
STATED = tuple(kind for kind in RelationKind if kind != RelationKind.MOVED_FROM)


@dataclass(frozen=True, slots=True)
class Edge:
    """A row of `relations`."""

    document_id: str
    kind: str
    other_id: str
    created_at: float


def of(engine: Engine, document_ids: Sequence[str]) -> list[Edge]:
    """What a few hundred documents are to others."""
    mine = select(relations).where(relations.c.document_id.in_(document_ids))
    with reading(engine) as connection:
        return [Edge(**row._mapping) for row in connection.execute(mine)]


@dataclass(frozen=True, slots=True)
class Related:
    """What the document asked for is to this other one."""

    relation: str
    document: Document


def state(connection: Connection, refs: Sequence[DocumentRef]) -> None:
    """Make the relations that a source states what the ledger has, for a few hundred of its
    documents, in the transaction of their listing."""
    wanted = {
        (ref.document_id, str(item.kind), stable_id(ref.source_id, item.uri))
        for ref in refs
        for item in ref.relations
        if item.kind in STATED
    }
    mine = and_(
        relations.c.document_id.in_([ref.document_id for ref in refs]),
        relations.c.kind.in_(STATED),
    )
    found = connection.execute(
        select(relations.c.document_id, relations.c.kind, relations.c.other_id).where(mine)
    )
    known = {tuple(row) for row in found}
    for document_id, kind, other_id in sorted(known - wanted):
        connection.execute(
            delete(relations).where(
                relations.c.document_id == document_id,
                relations.c.kind == kind,
                relations.c.other_id == other_id,
            )
        )
    now = time.time()
    new = [
        {"document_id": document_id, "kind": kind, "other_id": other_id, "created_at": now}
        for document_id, kind, other_id in sorted(wanted - known)
        if document_id != other_id
    ]
    if new:
        connection.execute(insert(relations), new)


def related(
    engine: Engine, document: Document, *, acl_ids: Sequence[int], reach: Reach = EVERYWHERE
) -> list[Related]:
    """The documents that have to do with one, as far as they are in reach and may be read.

    The first hundred of each relation, by name. Deleted ones only as ends of a move.
    """
    found: list[Related] = []
    with reading(engine) as connection:
        for kind in RelationKind:
            for mine, other, name in (
                (relations.c.document_id, relations.c.other_id, str(kind)),
                (relations.c.other_id, relations.c.document_id, REVERSED[kind]),
            ):
                query = (
                    select(documents)
                    .join(relations, other == documents.c.id)
                    .where(mine == document.id, relations.c.kind == kind)
                )
                if kind != RelationKind.MOVED_FROM:
                    query = query.where(documents.c.state != DocumentState.DELETED)
                found += _fetch(connection, query, name, acl_ids, reach)
        if document.searchable:
            same = and_(
                documents.c.indexed_version == document.indexed_version,
                documents.c.id != document.id,
                documents.c.state != DocumentState.DELETED,
            )
            query = select(documents).where(same)
            found += _fetch(connection, query, DUPLICATE, acl_ids, reach)
    return found


def _fetch(
    connection: Connection,
    query: Select[Any],
    name: str,
    acl_ids: Sequence[int],
    reach: Reach,
) -> list[Related]:
    mine = and_(documents.c.acl_id.in_(acl_ids), within(documents.c.collection, reach))
    readable = query.where(mine)
    ordered = readable.order_by(documents.c.name, documents.c.id).limit(MAX_RELATED)
    return [Related(name, Document(**row._mapping)) for row in connection.execute(ordered)]
