"""Taking documents away: hidden at once, then removed from every store."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from smartypants import wiring
from smartypants.ledger import collections, commits, documents, generations
from smartypants.protocols import BlobStore, VectorStore
from smartypants.settings import Settings


def remove_documents(
    settings: Settings, engine: Engine, collection: str, document_ids: Sequence[str]
) -> None:
    """Delete documents of a collection. If a store fails, they stay hidden, and `purge` ends it."""
    commits.mark_deleted(engine, collection, document_ids)
    purge(engine, collection, wiring.open_vectors(settings), wiring.open_blobs(settings))


def purge(engine: Engine, collection: str, vectors: VectorStore, blobs: BlobStore) -> int:
    """Remove what is left of a collection's deleted documents; how many there were. Idempotent."""
    left = documents.unpurged(engine, collection)
    for physical in generations.physicals(engine, collection) if left else []:
        vectors.delete_versions(physical, {row.id: None for row in left})
    for row in left:
        blobs.delete(f"raw/{row.id}")
        blobs.delete(f"text/{row.id}")
        commits.mark_purged(engine, row.id)
    return len(left)


def drop_collection(
    engine: Engine, collection: str, vectors: VectorStore, blobs: BlobStore
) -> None:
    """Remove a collection with everything in it. Raises `CollectionNotFound`."""
    physicals = generations.physicals(engine, collection)
    document_ids = collections.forget(engine, collection)  # hidden from here on
    for physical in physicals:
        vectors.drop(physical)
    for document_id in document_ids:
        blobs.delete(f"raw/{document_id}")
        blobs.delete(f"text/{document_id}")
