"""What users said of hits: which documents answer which queries, and which do not."""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Engine, insert, select

from smartypants.ledger.collections import hold
from smartypants.ledger.database import reading
from smartypants.ledger.schema import feedback


@dataclass(frozen=True, slots=True)
class Verdict:
    """A row of `feedback`."""

    id: str
    collection: str
    query: str
    document_id: str
    chunk_id: str | None
    relevant: bool
    prompt_version: str | None
    created_at: float


def record(
    engine: Engine,
    collection: str,
    *,
    query: str,
    document_id: str,
    chunk_id: str | None,
    relevant: bool,
    prompt_version: str | None = None,
) -> Verdict:
    """Keep what somebody said of a hit. Raises `CollectionNotFound`."""
    verdict = Verdict(
        id=uuid.uuid4().hex,
        collection=collection,
        query=query,
        document_id=document_id,
        chunk_id=chunk_id,
        relevant=relevant,
        prompt_version=prompt_version,
        created_at=time.time(),
    )
    with engine.begin() as connection:
        hold(connection, collection)
        values = {name: getattr(verdict, name) for name in verdict.__slots__}
        connection.execute(insert(feedback).values(values | {"relevant": int(relevant)}))
    return verdict


def grades(engine: Engine, collection: str) -> dict[str, dict[str, int]]:
    """Query → document → 1 where more called it relevant than not, else 0."""
    votes: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for verdict in _every(engine, collection):
        votes[verdict.query][verdict.document_id] += 1 if verdict.relevant else -1
    return {
        query: {document_id: int(balance > 0) for document_id, balance in own.items()}
        for query, own in votes.items()
    }


def _every(engine: Engine, collection: str) -> Iterator[Verdict]:
    mine = select(feedback).where(feedback.c.collection == collection)
    with reading(engine) as connection:
        for row in connection.execute(mine.order_by(feedback.c.created_at, feedback.c.id)):
            values = dict(row._mapping)
            yield Verdict(**values | {"relevant": bool(values["relevant"])})
