"""Deployment: finds passages."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from ray import serve

from actors.worker_logs import configure_worker_logs
from deployments.calls import call
from deployments.embedder import EmbedderServer
from deployments.handles import Handle, Inside, Part
from smartypants import wiring
from smartypants.caching.vectors import QueryVectors
from smartypants.errors import SmartyPantsError
from smartypants.metering.payer import NOBODY, Payer
from smartypants.protocols import Vectors
from smartypants.retrieving import Legs, retrieve
from smartypants.searching import Scope, together
from smartypants.settings import Settings
from smartypants.types import Candidate, SearchPlan, SearchResult

Found = list[Candidate] | SmartyPantsError


class Retriever:
    """Plan → hits, from both legs at once: BM25 searches while the text is embedded.

    Searches that arrive while others are under way are made together, by one call of the store.
    Embeds texts itself where no `embedder` is given, for others as well.
    """

    def __init__(self, settings: Settings, embedder: Handle | None = None) -> None:
        configure_worker_logs(settings)
        self._own_embedder = EmbedderServer(settings) if embedder is None else None
        self._embedder: Part = embedder or Inside(self._own_embedder)
        self._engine = wiring.open_ledger(settings)
        self._vectors = wiring.open_vectors(settings)
        self._query_vectors = QueryVectors(
            model=settings.embedder.model, max_entries=settings.cache.query_vectors
        )
        legs: tuple[Any, ...] = (self._dense, self._lexical)
        for leg in legs:
            leg.set_max_batch_size(settings.serve.max_batch_requests)

    async def retrieve(self, plan: SearchPlan, payer: Payer = NOBODY) -> SearchResult:
        async def embed(text: str) -> Vectors:
            vector: Vectors = await call(
                lambda: self._embedder.embed.remote((text, payer)), deadline=plan.query.deadline
            )
            return vector

        async def kept(text: str) -> Vectors:
            return await self._query_vectors.get(text, embed=embed)

        async def dense(scope: Scope, vector: Vectors) -> list[Candidate]:
            return _candidates(await self._dense((scope, vector)))

        async def lexical(scope: Scope, text: str) -> list[Candidate]:
            return _candidates(await self._lexical((scope, text)))

        legs = Legs(kept, dense, lexical)
        return await retrieve(plan, legs, engine=self._engine, limit=plan.depth)

    async def embed(self, asked: tuple[str, Payer]) -> Vectors:
        vector: Vectors = await self._embedder.embed.remote(asked)
        return vector

    async def embed_many(self, texts: list[str], payer: Payer = NOBODY) -> Vectors:
        vectors: Vectors = await self._embedder.embed_many.remote(texts, payer)
        return vectors

    async def ready(self) -> str:
        model: str = await self._embedder.ready.remote()
        return model

    def __del__(self) -> None:
        own = getattr(self, "_own_embedder", None)
        if own is not None:
            own.close()

    @serve.batch(batch_wait_timeout_s=0.0, max_concurrent_batches=1)
    async def _dense(self, asked: list[tuple[Scope, Vectors]]) -> list[Found]:
        return await asyncio.to_thread(together, self._vectors.dense, asked, np.stack)

    @serve.batch(batch_wait_timeout_s=0.0, max_concurrent_batches=1)
    async def _lexical(self, asked: list[tuple[Scope, str]]) -> list[Found]:
        return await asyncio.to_thread(together, self._vectors.lexical, asked, list)


def _candidates(found: Found) -> list[Candidate]:
    if isinstance(found, SmartyPantsError):
        raise found
    return found
