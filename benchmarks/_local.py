"""A retrieval set indexed in this process, without Ray: one chunk a passage."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine

from benchmarks import _common
from benchmarks._beir import Passage, RetrievalSet
from smartypants import wiring
from smartypants.ledger import acls, collections, commits, listing
from smartypants.ledger.collections import Collection
from smartypants.ledger.commits import Indexed
from smartypants.ledger.database import migrate
from smartypants.protocols import Embedder, Vectors, VectorStore
from smartypants.settings import Settings
from smartypants.types import PUBLIC, Chunk, DocumentRef, SearchResult

MAX_CHARS = 20_000
BATCH = 256


@dataclass(frozen=True, slots=True)
class LocalIndex:
    """What searches of one set need."""

    data: RetrievalSet
    engine: Engine
    vectors: VectorStore
    embedder: Embedder
    collection: Collection

    async def embed(self, text: str) -> Vectors:
        found: Vectors = (await asyncio.to_thread(self.embedder.embed, [text]))[0]
        return found

    def embed_all(self, texts: list[str]) -> Mapping[str, Vectors]:
        return dict(zip(texts, self.embedder.embed(texts), strict=True)) if texts else {}

    def ranked(self, result: SearchResult) -> list[str]:
        """The ids of the set's passages, best first."""
        return [hit.uri.removeprefix("set:") for hit in result.hits]

    def ndcg(self, run: Mapping[str, list[str]]) -> float:
        """nDCG@10 over the queries that were asked: query id → passages."""
        return self.data.ndcg(run)


@contextmanager
def stores(settings: Settings) -> Iterator[tuple[Engine, VectorStore, Embedder]]:
    """A ledger, a vector server and an embedder, until the block ends."""
    with _common.vector_server(settings):
        engine = wiring.open_ledger(settings)
        migrate(engine)
        try:
            yield engine, wiring.open_vectors(settings), wiring.make_embedder(settings)
        finally:
            engine.dispose()


def index(
    data: RetrievalSet, engine: Engine, vectors: VectorStore, embedder: Embedder
) -> LocalIndex:
    """Index a set unless it is."""
    collection = collections.ensure(
        engine, data.collection, embedding_model=embedder.model, dimension=embedder.dimension
    )
    vectors.create(collection.physical, dimension=embedder.dimension)
    if vectors.count(collection.physical) < len(data.corpus):
        source = f"set {data.name}"[:32]
        listing.register_source(
            engine, source_id=source, collection=data.collection, kind="set", uri="set:"
        )
        with engine.begin() as connection:
            acl_id = acls.acl_id(connection, (PUBLIC,))
        for start in range(0, len(data.corpus), BATCH):
            part = data.corpus[start : start + BATCH]
            _write(part, source, acl_id, collection, engine, vectors, embedder)
        vectors.flush(collection.physical)
    collection = collections.get(engine, data.collection)
    return LocalIndex(data, engine, vectors, embedder, collection)


def _write(
    part: tuple[Passage, ...],
    source: str,
    acl_id: int,
    collection: Collection,
    engine: Engine,
    vectors: VectorStore,
    embedder: Embedder,
) -> None:
    refs = [DocumentRef(source, f"set:{item.id}", item.id, "v1", 1) for item in part]
    chunks = [
        Chunk(ref.document_id, "v1", 0, item.text[:MAX_CHARS], 0, 1, context=item.title)
        for ref, item in zip(refs, part, strict=True)
    ]
    vectors.upsert(
        collection.physical,
        chunks,
        np.asarray(embedder.embed([chunk.searched_text for chunk in chunks])),
        acl_ids=[acl_id] * len(chunks),
        source_ids=[source] * len(chunks),
    )
    listing.list_documents(engine, refs, collection=collection.name, job_id="bench", max_attempts=1)
    done = [
        Indexed(ref.document_id, "v1", item.title, 1) for ref, item in zip(refs, part, strict=True)
    ]
    commits.commit(engine, collection.name, done, [])
