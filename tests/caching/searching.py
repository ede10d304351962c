"""A search over the real ledger whose vector store proposes every chunk it ever got."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from sqlalchemy import Engine

from smartypants.caching.counters import CacheCounters
from smartypants.caching.keys import Models, search_key
from smartypants.caching.results import ResultCache
from smartypants.caching.store import Store
from smartypants.ledger import collections, commits, listing
from smartypants.ledger.commits import Indexed
from smartypants.processing import process
from smartypants.protocols import Vectors
from smartypants.retrieving import legs_of, retrieve
from smartypants.settings import Settings
from smartypants.types import (
    Candidate,
    Chunk,
    DocumentRef,
    Query,
    SearchPlan,
    SearchResult,
)

MODELS = Models("m", None, "llm")


class Shelf:
    """Of the vector store, what a search needs; it leaves all filtering to the ledger."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []

    def dense(self, physical: str, vectors: Vectors, **_: object) -> list[list[Candidate]]:
        return [self._everything() for _ in vectors]

    def lexical(self, physical: str, texts: Sequence[str], **_: object) -> list[list[Candidate]]:
        return [self._everything() for _ in texts]

    def _everything(self) -> list[Candidate]:
        return [Candidate(chunk, 0.5) for chunk in list(self.chunks)]


class Collection:
    """Documents that are written, and searched through a cache."""

    def __init__(self, engine: Engine, name: str, store: Store | None) -> None:
        self.engine = engine
        self.name = name
        self.shelf = Shelf()
        self.counters = CacheCounters()
        self.settings = Settings(embedder={"model": "m"})
        self.cache = store and ResultCache(store, standing=self.standing, counters=self.counters)
        collections.ensure(engine, name, embedding_model="m", dimension=4)
        listing.register_source(
            engine, source_id=name, collection=name, kind="filesystem", uri=f"file:///{name}"
        )

    async def standing(self, name: str) -> str | None:
        return await asyncio.to_thread(collections.standing, self.engine, name)

    def list(
        self, name: str, etag: str, principals: Sequence[str], metadata: dict[str, str]
    ) -> DocumentRef:
        ref = DocumentRef(
            self.name, f"file:///{self.name}/{name}", name, etag, 1,
            principals=tuple(principals), metadata=metadata,
        )  # fmt: skip
        listing.list_documents(self.engine, [ref], collection=self.name, job_id="j", max_attempts=1)
        return ref

    def write(
        self, name: str, version: str, principals: Sequence[str], metadata: dict[str, str]
    ) -> None:
        ref = self.list(name, version, principals, metadata)
        text = f"{name} {version}"
        self.shelf.chunks.append(Chunk(ref.document_id, version, 0, text, 0, len(text)))
        commits.commit(self.engine, self.name, [Indexed(ref.document_id, version, name, 1)], [])

    def delete(self, name: str) -> None:
        ref = DocumentRef(self.name, f"file:///{self.name}/{name}", name, "", 1)
        commits.mark_deleted(self.engine, self.name, [ref.document_id])

    async def find(self, plan: SearchPlan) -> SearchResult:
        async def embed(_: str) -> Vectors:
            return np.ones(4, dtype=np.float32)

        legs = legs_of(self.shelf, embed)  # type: ignore[arg-type]
        return await retrieve(plan, legs, engine=self.engine, limit=1000)

    def plan(self, text: str, *principals: str, **more: object) -> SearchPlan:
        query = Query(text, self.name, principals=principals, **more)  # type: ignore[arg-type]
        return asyncio.run(process(query, engine=self.engine, settings=self.settings))

    async def search(self, text: str, *principals: str, **more: object) -> SearchResult:
        plan = await asyncio.to_thread(self.plan, text, *principals, **more)
        if self.cache is None:
            return await self.find(plan)
        return await self.cache.search(plan, search_key(plan, MODELS), lambda: self.find(plan))

    def counted(self, kind: str, outcome: str) -> float:
        value: float = self.counters.lookups.labels(kind, outcome)._value.get()
        return value


def shown(result: SearchResult) -> dict[str, tuple[str, str]]:
    """Document → the version and the colour (of its metadata) that a result shows."""
    found: dict[str, tuple[str, str]] = {}
    for hit in result.hits:
        name, version = hit.chunk.text.split()
        assert name not in found, "two versions at once"
        found[name] = (version, hit.metadata.get("colour", ""))
    return found
