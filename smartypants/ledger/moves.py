"""Moves and renames: what vanished at one place and is new, with the same content, at another."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Engine, and_, exists, or_, select

from smartypants.ledger.database import BATCH, reading, upsert
from smartypants.ledger.documents import Document
from smartypants.ledger.schema import documents, relations, versions
from smartypants.types import DocumentState, RelationKind


def note_moves(engine: Engine, gone: Sequence[Document], *, job_id: str, since: float) -> set[str]:
    """Of the documents that a complete listing no longer has: those that moved, by id.

    `since` (Unix time) is when the job was submitted; a document is new if nothing of it was
    searchable before. Each new document takes the place of one, by preference one of the same
    file name. Idempotent, also after a crash.
    """
    moved = _noted(engine, gone)
    waiting: dict[str, list[Document]] = defaultdict(list)
    for row in gone:
        if row.id not in moved and row.indexed_version is not None:
            waiting[row.indexed_version].append(row)
    pairs = []
    for new in _new(engine, list(waiting), job_id=job_id, since=since):
        old = _taken(waiting[new.indexed_version or ""], new)
        if old is not None:
            pairs.append((new.id, old.id))
    now = time.time()
    rows = [
        {
            "document_id": new_id,
            "kind": str(RelationKind.MOVED_FROM),
            "other_id": old_id,
            "created_at": now,
        }
        for new_id, old_id in pairs
    ]
    with engine.begin() as connection:
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            connection.execute(upsert(engine, relations, part, "created_at"))
    return moved | {old_id for _, old_id in pairs}


def _taken(candidates: list[Document], new: Document) -> Document | None:
    if not candidates:
        return None
    same_name = (row for row in candidates if _file_name(row) == _file_name(new))
    old = next(same_name, candidates[0])
    candidates.remove(old)
    return old


def _file_name(row: Document) -> str:
    return row.name.rsplit("/", 1)[-1]


def _noted(engine: Engine, gone: Sequence[Document]) -> set[str]:
    """Those whose moves an earlier run noted, which then did not get to delete them."""
    by_id = {row.id: row for row in gone}
    ids = sorted(by_id)
    found: set[str] = set()
    with reading(engine) as connection:
        for start in range(0, len(ids), BATCH):
            query = select(relations.c.other_id, relations.c.created_at).where(
                relations.c.other_id.in_(ids[start : start + BATCH]),
                relations.c.kind == RelationKind.MOVED_FROM,
            )
            for old_id, noted_at in connection.execute(query):
                if noted_at >= (by_id[old_id].indexed_at or 0.0):
                    found.add(old_id)
    return found


def _new(engine: Engine, contents: Sequence[str], *, job_id: str, since: float) -> list[Document]:
    """Documents of a job with one of these contents, of which nothing was searchable before."""
    before = exists().where(
        versions.c.document_id == documents.c.id,
        versions.c.indexed_at < since,
        or_(versions.c.replaced_at.is_(None), versions.c.replaced_at >= since),
    )
    found: list[Document] = []
    with reading(engine) as connection:
        for start in range(0, len(contents), BATCH):
            new = and_(
                documents.c.indexed_version.in_(contents[start : start + BATCH]),
                documents.c.state == DocumentState.INDEXED,
                documents.c.listed_by == job_id,
                documents.c.job_id == job_id,
                ~before,
            )
            rows = connection.execute(select(documents).where(new).order_by(documents.c.name))
            found += [Document(**row._mapping) for row in rows]
    return found
