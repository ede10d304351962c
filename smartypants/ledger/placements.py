"""Documents whose chunks carry another ACL in the vector store than the ledger says.

The ledger decides who sees a document, so nobody sees too much for it; but whoever was let in
since would not find it before its chunks carry its ACL too.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, Engine, and_, select, update

from smartypants.ledger.collections import move_epoch
from smartypants.ledger.database import lock, reading
from smartypants.ledger.schema import documents
from smartypants.types import DocumentState


def misplaced(engine: Engine, collection: str, *, limit: int) -> dict[str, int]:
    """Searchable documents of that kind, and the ACL that their chunks should carry."""
    query = select(documents.c.id, documents.c.acl_id).where(_misplaced(collection))
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(documents.c.id).limit(limit))
        return {row.id: row.acl_id for row in rows}


def placed(engine: Engine, collection: str, acl_ids: Mapping[str, int]) -> None:
    """Note the ACLs that the documents' chunks carry by now."""
    with engine.begin() as connection:
        move_epoch(connection, collection)
        lock(connection, documents, acl_ids)
        for document_id in sorted(acl_ids):
            connection.execute(
                update(documents)
                .where(documents.c.id == document_id, _misplaced(collection))
                .values(placed_acl_id=acl_ids[document_id])
            )


def _misplaced(collection: str) -> ColumnElement[bool]:
    return and_(
        documents.c.collection == collection,
        documents.c.placed_acl_id != documents.c.acl_id,
        documents.c.indexed_version.is_not(None),
        documents.c.state != DocumentState.DELETED,
    )
