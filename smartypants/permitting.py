"""Lets the chunks of documents whose ACL changed carry the new one; nothing is embedded."""

from __future__ import annotations

import numpy as np
import structlog
from sqlalchemy import Engine

from smartypants.attributes import UNKNOWN
from smartypants.ledger import collections, placements
from smartypants.protocols import VectorStore

log = structlog.get_logger(__name__)

BATCH = 100


def permit(engine: Engine, vectors: VectorStore, collection: str) -> int:
    """Rewrite them where they are searched; how many documents there were.

    Running it again, also after a crash, finishes what is left. A document that changes
    meanwhile is written with its ACL of then. Raises `CollectionNotFound`, `Unavailable`.
    """
    done = 0
    while batch := placements.misplaced(engine, collection, limit=BATCH):
        physical = collections.get(engine, collection).physical
        for stored in vectors.scan(physical, vectors=True, document_ids=list(batch)):
            vectors.upsert(
                physical,
                [item.chunk for item in stored],
                np.stack([item.vector for item in stored if item.vector is not None]),
                acl_ids=[batch[item.chunk.document_id] for item in stored],
                source_ids=[item.source_id for item in stored],
                attributes=[item.attributes or UNKNOWN for item in stored],
            )
        vectors.flush(physical)
        placements.placed(engine, collection, batch)
        done += len(batch)
    if done:
        log.info("acls_placed", collection=collection, documents=done)
    return done
