"""The real application over a store, with a function in the place of the embedding model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import numpy as np
from sqlalchemy import Engine

from smartypants.answering import answer
from smartypants.api.services import AnswerRequest, Readiness, Services
from smartypants.auth.settings import AuthSettings
from smartypants.blobstores.arrow import ArrowBlobStore
from smartypants.caching.counters import CacheCounters
from smartypants.caching.keys import Models, search_key
from smartypants.caching.results import ResultCache
from smartypants.caching.store import MemoryStore
from smartypants.ledger import collections
from smartypants.processing import Helpers, process
from smartypants.protocols import Vectors, VectorStore
from smartypants.querying.vocabulary import Vocabularies, Vocabulary, build
from smartypants.retrieving import legs_of, retrieve
from smartypants.settings import Settings
from smartypants.types import AnswerEvent, Delta, Message, Query, SamplingParams, SearchResult

DIMENSION = 4
MODELS = Models("m", None, "llm")


def settings_of(folder: Path, ledger_url: str | None) -> Settings:
    """Others make the vectors, as far as the settings know: no model is looked for."""
    provider = {"api_base": "http://127.0.0.1:9"}
    return Settings(
        data_dir=folder,
        auth=AuthSettings(mode="required"),
        embedder={
            "kind": "openai",
            "model": "m",
            "dimension": DIMENSION,
            "providers": {"nobody": provider},
        },
        answers={"min_answerability": 0.0},
        ledger={"url": ledger_url} if ledger_url else {},
    )


def services(settings: Settings, engine: Engine, vectors: VectorStore) -> Services:
    """What the HTTP layer calls, all in this process."""
    searching = Searching(settings, engine, vectors)
    return Services(
        settings=settings,
        engine=engine,
        blobs=ArrowBlobStore(uri=settings.blob_uri),
        vectors=vectors,
        search=searching.search,
        answer=searching.answer,
        generate=searching.generate,
        embed=searching.embed,
        readiness=searching.readiness,
    )


class FreshVocabularies(Vocabularies):
    """Made at once, and anew for each epoch: the model knows nothing of what is outdated."""

    def __init__(self, vectors: VectorStore) -> None:
        super().__init__(vectors)
        self._store = vectors
        self._made: dict[str, tuple[int, Vocabulary]] = {}

    def of(self, physical: str, epoch: int) -> Vocabulary:
        known = self._made.get(physical)
        if known is None or known[0] != epoch:
            scanned = self._store.scan(physical)
            texts = ([(row.chunk.text, row.acl_id) for row in batch] for batch in scanned)
            known = self._made[physical] = (epoch, build(texts))
        return known[1]


class Searching:
    """Search and answers in this process: the plan, the cache, the store, the ledger."""

    def __init__(self, settings: Settings, engine: Engine, vectors: VectorStore) -> None:
        self._settings = settings
        self._engine = engine
        self._legs = legs_of(vectors, _embed)
        self._helpers = Helpers(vectors=vectors, vocabularies=FreshVocabularies(vectors))
        self._cache = ResultCache(
            MemoryStore(max_bytes=2**24, ttl_s=3600),
            standing=self._standing,
            counters=CacheCounters(),
        )

    async def _standing(self, name: str) -> str | None:
        return await asyncio.to_thread(collections.standing, self._engine, name)

    async def search(self, query: Query) -> SearchResult:
        plan = await process(
            query, engine=self._engine, settings=self._settings, helpers=self._helpers
        )

        async def find() -> SearchResult:
            return await retrieve(plan, self._legs, engine=self._engine, limit=plan.depth)

        return await self._cache.search(plan, search_key(plan, MODELS), find)

    async def answer(self, request: AnswerRequest) -> AsyncGenerator[AnswerEvent, None]:
        events = answer(
            request.query,
            request.sampling,
            mode=request.mode,
            search=self.search,
            generate=self.generate,
            settings=self._settings.answers,
        )
        async for event in events:
            yield event

    async def generate(
        self,
        messages: Sequence[Message],
        sampling: SamplingParams,
        request_id: str,
        deadline: float | None = None,
    ) -> AsyncGenerator[Delta, None]:
        yield Delta("", "stop")

    async def embed(self, texts: Sequence[str], deadline: float | None) -> Vectors:
        return np.full((len(texts), DIMENSION), 0.5, dtype=np.float32)

    async def readiness(self) -> dict[str, Readiness]:
        return {}


async def _embed(_: str) -> Vectors:
    return np.full(DIMENSION, 0.5, dtype=np.float32)
