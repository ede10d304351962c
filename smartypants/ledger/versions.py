"""The history of what was searchable of each document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, and_, insert, literal, select, update

from smartypants.ledger.database import reading
from smartypants.ledger.schema import documents, versions

MAX_VERSIONS = 500


@dataclass(frozen=True, slots=True)
class Version:
    """A row of `versions`; of one that is searchable `replaced_at` is None."""

    document_id: str
    indexed_at: float
    version: str
    etag: str
    size: int
    chunk_count: int
    replaced_at: float | None


def history(engine: Engine, document_id: str) -> list[Version]:
    """Newest first."""
    mine = select(versions).where(versions.c.document_id == document_id)
    ordered = mine.order_by(versions.c.indexed_at.desc()).limit(MAX_VERSIONS)
    with reading(engine) as connection:
        return [Version(**row._mapping) for row in connection.execute(ordered)]


def histories(engine: Engine, document_ids: Sequence[str]) -> dict[str, list[Version]]:
    """Of a few hundred documents, oldest first; without those that have none."""
    theirs = select(versions).where(versions.c.document_id.in_(document_ids))
    found: dict[str, list[Version]] = {}
    with reading(engine) as connection:
        for row in connection.execute(theirs.order_by(versions.c.indexed_at)):
            found.setdefault(row.document_id, []).append(Version(**row._mapping))
    return found


def begin(
    connection: Connection, document_id: str, version: str, *, chunk_count: int, at: float
) -> None:
    """Note, in the transaction of the change, that a version is searchable from now on.

    The same content once more, cut anew, is the same version.
    """
    same = and_(
        versions.c.document_id == document_id,
        versions.c.version == version,
        versions.c.replaced_at.is_(None),
    )
    again = update(versions).where(same).values(chunk_count=chunk_count)
    if connection.execute(again).rowcount:
        return
    end(connection, [document_id], at=at)
    as_listed = select(
        documents.c.id,
        literal(version, versions.c.version.type),  # whatever its length
        literal(chunk_count),
        literal(at),
        documents.c.etag,
        documents.c.size,
    ).where(documents.c.id == document_id)
    columns = ["document_id", "version", "chunk_count", "indexed_at", "etag", "size"]
    connection.execute(insert(versions).from_select(columns, as_listed))


def end(connection: Connection, document_ids: Sequence[str], *, at: float) -> None:
    """Note that nothing of a few hundred documents is searchable any more."""
    current = and_(versions.c.document_id.in_(document_ids), versions.c.replaced_at.is_(None))
    connection.execute(update(versions).where(current).values(replaced_at=at))
