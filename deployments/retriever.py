"""Deployment: finds passages."""

from __future__ import annotations

from typing import Any

from ray.serve.handle import DeploymentHandle

from deployments.calls import call
from smartypants import wiring
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

    async def retrieve(self, plan: SearchPlan) -> SearchResult:
        async def embed(text: str) -> Vectors:
            vector: Vectors = await call(
                lambda: self._embedder.embed.remote(text), deadline=plan.query.deadline
            )
            return vector

        return await retrieve(
            plan,
            embed=embed,
            vectors=self._vectors,
            engine=self._engine,
            limit=plan.depth,
        )
