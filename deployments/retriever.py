"""Deployment: finds passages."""

from __future__ import annotations

from typing import Any

from ray.serve.handle import DeploymentHandle

from deployments.calls import call
from smartypants import wiring
from smartypants.caching.vectors import QueryVectors
from smartypants.protocols import Vectors
from smartypants.retrieving import retrieve
from smartypants.settings import Settings
from smartypants.types import SearchPlan, SearchResult


class Retriever:
    """Plan → hits, from both legs at once; the query's embedding comes from `EmbedderServer`."""

    def __init__(self, settings: Settings, embedder: DeploymentHandle[Any]) -> None:
        self._embedder = embedder
        self._engine = wiring.open_ledger(settings)
        self._vectors = wiring.open_vectors(settings)
        self._query_vectors = QueryVectors(
            model=settings.embedder.model, max_entries=settings.cache.query_vectors
        )

    async def retrieve(self, plan: SearchPlan) -> SearchResult:
        async def embed(text: str) -> Vectors:
            vector: Vectors = await call(
                self._embedder.embed.remote(text), deadline=plan.query.deadline
            )
            return vector

        async def vector_of(text: str) -> Vectors:
            return await self._query_vectors.get(text, embed=embed)

        limit = plan.query.top_k
        if plan.rerank:
            limit = max(limit, plan.recipe.rerank_depth)
        return await retrieve(
            plan,
            embed=vector_of,
            vectors=self._vectors,
            engine=self._engine,
            limit=limit,
        )
