"""Vectors by the content of their text: what was embedded once is never embedded again.

It makes a crash cheap (vectors are kept before anything else happens to them), a change of one
paragraph cost one chunk, and a text that stands in many documents cost one. It is a cache:
losing it loses time, nothing else.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

import numpy as np
from sqlalchemy import (
    Column,
    Engine,
    Float,
    LargeBinary,
    MetaData,
    Table,
    delete,
    event,
    select,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from smartypants.ledger.database import BATCH, connect, reading, upsert
from smartypants.protocols import Vectors

metadata = MetaData()

embeddings = Table(
    "embeddings",
    metadata,
    Column("key", LargeBinary(16), primary_key=True),
    Column("vector", LargeBinary, nullable=False),  # float32, little-endian
    Column("created_at", Float, nullable=False, index=True),
)

SWEEP_ROWS = 20_000


def cache_key(model: str, text: str) -> bytes:
    """What identifies a vector: the model, and the text as it is embedded."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(model.encode())
    digest.update(b"\x00")
    digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.digest()


class EmbeddingCache:
    """Vectors in a table of SQLite (a file of its own) or of the ledger's PostgreSQL.

    >>> cache = EmbeddingCache("sqlite:////var/lib/smartypants/embeddings.db", max_rows=10**6)
    >>> cache.put([cache_key("MiniLM", "a text")], vectors)
    """

    def __init__(self, url: str, *, max_rows: int) -> None:
        self._engine: Engine = connect(url)
        self._max_rows = max_rows
        self._since_sweep = SWEEP_ROWS  # the first write sweeps
        if self._engine.dialect.name == "sqlite":
            # What a power cut takes can be computed again; a kill takes nothing.
            event.listen(self._engine, "connect", _without_fsync)
        metadata.create_all(self._engine)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Vectors]:
        """Those of the vectors that are kept, each of shape (dimension,)."""
        found: dict[bytes, Vectors] = {}
        with reading(self._engine) as connection:
            for start in range(0, len(keys), BATCH):
                part = keys[start : start + BATCH]
                rows = connection.execute(
                    select(embeddings.c.key, embeddings.c.vector).where(embeddings.c.key.in_(part))
                )
                found |= {bytes(key): np.frombuffer(vector, "<f4") for key, vector in rows}
        return found

    def put(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Keep vectors, shape (len(keys), dimension). They survive a kill of this process."""
        if not keys:
            return
        now = time.time()
        rows = [
            {"key": key, "vector": vector.astype("<f4").tobytes(), "created_at": now}
            for key, vector in zip(keys, vectors, strict=True)
        ]
        with self._engine.begin() as connection:
            for start in range(0, len(rows), BATCH):
                connection.execute(upsert(self._engine, embeddings, rows[start : start + BATCH]))
        self._since_sweep += len(rows)
        if self._since_sweep >= SWEEP_ROWS:
            self._since_sweep = 0
            self._sweep()

    def _sweep(self) -> None:
        """Let the oldest go where there are more than `max_rows`, in whole batches."""
        newest = select(embeddings.c.created_at).order_by(embeddings.c.created_at.desc())
        with reading(self._engine) as connection:
            cut = connection.execute(newest.offset(self._max_rows - 1).limit(1)).scalar()
        if cut is None:
            return
        with self._engine.begin() as connection:
            connection.execute(delete(embeddings).where(embeddings.c.created_at < cut))

    def close(self) -> None:
        self._engine.dispose()


def _without_fsync(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()
