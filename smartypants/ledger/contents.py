"""What came inside documents: it is listed with them, has their ACL, and goes with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, RowMapping, select

from smartypants.attachments import container, depth
from smartypants.ledger.database import BATCH, lock
from smartypants.ledger.documents import Document
from smartypants.ledger.schema import documents, relations
from smartypants.types import DocumentRef, DocumentState, Relation, RelationKind, stable_id

Rows = Mapping[str, RowMapping]
"""Documents by id."""


def container_id(ref: DocumentRef) -> str | None:
    """The id of the document that this one came in; None for one that came by itself."""
    uri = container(ref.uri)
    return None if uri is None else stable_id(ref.source_id, uri)


def inside(connection: Connection, document_ids: Collection[str]) -> list[Document]:
    """What came inside these documents, and inside that, outermost first; no deleted ones."""
    found: list[Document] = []
    level = sorted(document_ids)
    while level:
        within = [
            item
            for start in range(0, len(level), BATCH)
            for item in _directly_inside(connection, level[start : start + BATCH])
        ]
        found += within
        level = sorted(item.id for item in within)
    return found


def _directly_inside(connection: Connection, document_ids: Sequence[str]) -> list[Document]:
    query = (
        select(documents, relations.c.other_id)
        .join(relations, relations.c.document_id == documents.c.id)
        .where(
            relations.c.other_id.in_(document_ids),
            relations.c.kind == RelationKind.ATTACHMENT_OF,
            documents.c.state != DocumentState.DELETED,
        )
    )
    found = []
    for row in connection.execute(query):
        known = dict(row._mapping)
        other_id = known.pop("other_id")
        item = Document(**known)
        # Others are said to be attachments too, and are documents of their own.
        if container_id(item.ref) == other_id:
            found.append(item)
    return found


def locked(connection: Connection, part: Sequence[DocumentRef], within: Sequence[Document]) -> Rows:
    """The rows of a listing's part, of what came inside it, and of what that came in; until the
    transaction ends nobody else changes them."""
    ids = {ref.document_id for ref in part} | {row.id for row in within}
    ids |= {outer for ref in part if (outer := container_id(ref)) is not None}
    lock(connection, documents, ids)
    ordered = sorted(ids)
    known: dict[str, RowMapping] = {}
    for start in range(0, len(ordered), BATCH):
        query = select(documents).where(documents.c.id.in_(ordered[start : start + BATCH]))
        known |= {row["id"]: row for row in connection.execute(query).mappings()}
    return known


def whole(
    part: Sequence[DocumentRef],
    within: Sequence[Document],
    known: Rows,
    acl_ids: Mapping[tuple[str, ...], int],
) -> list[tuple[DocumentRef, int]]:
    """A listing's part with what came inside it, each with its ACL: its container's, if it has
    one. What is inside of what is not there, or not any more, is left out."""
    refs = [*part, *(_relisted(row) for row in within if _alive(known, row.id))]
    found: dict[str, tuple[DocumentRef, int]] = {}
    for ref in sorted(refs, key=lambda ref: (depth(ref.uri), ref.document_id)):
        outer = container_id(ref)
        if outer is None:
            acl_id = acl_ids[ref.principals]
        elif outer in found:
            acl_id = found[outer][1]
        elif _alive(known, outer):
            acl_id = known[outer]["acl_id"]
        else:
            continue
        found.setdefault(ref.document_id, (ref, acl_id))
    return list(found.values())


def _alive(known: Rows, document_id: str) -> bool:
    return document_id in known and known[document_id]["state"] != DocumentState.DELETED


def _relisted(row: Document) -> DocumentRef:
    """As it was found in its container."""
    outer = container(row.uri)
    stated = () if outer is None else (Relation(RelationKind.ATTACHMENT_OF, outer),)
    return replace(row.ref, relations=stated)
