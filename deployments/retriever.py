"""Deployment: finds passages."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np
from ray import serve
from ray.serve.handle import DeploymentHandle

from actors.worker_logs import configure_worker_logs
from deployments.calls import call
from smartypants import wiring
from smartypants.errors import SmartyPantsError
from smartypants.metering.payer import NOBODY, Payer
from smartypants.protocols import Vectors
from smartypants.retrieving import Legs, retrieve
from smartypants.searching import Scope, together
from smartypants.settings import Settings
from smartypants.types import Candidate, SearchPlan, SearchResult

Found = list[Candidate] | SmartyPantsError


@dataclass(frozen=True, slots=True)
class Guess:
    """A text that was embedded while the query was still being interpreted: mostly the one."""

    text: str
    vector: Vectors


class Retriever:
    """Plan → hits, from both legs at once.

    Searches that arrive while others are under way are made together, by one call of the store.
    """

    def __init__(self, settings: Settings, embedder: DeploymentHandle[Any]) -> None:
        configure_worker_logs(settings)
        self._embedder = embedder
        self._engine = wiring.open_ledger(settings)
        self._vectors = wiring.open_vectors(settings)
        legs: tuple[Any, ...] = (self._dense, self._lexical)
        for leg in legs:
            leg.set_max_batch_size(settings.serve.max_batch_requests)

    async def retrieve(
        self, plan: SearchPlan, guess: Guess | None = None, payer: Payer = NOBODY
    ) -> SearchResult:
        async def embed(text: str) -> Vectors:
            if guess is not None and text == guess.text:
                return guess.vector
            vector: Vectors = await call(
                lambda: self._embedder.embed.remote((text, payer)), deadline=plan.query.deadline
            )
            return vector

        async def dense(scope: Scope, vector: Vectors) -> list[Candidate]:
            return _candidates(await self._dense((scope, vector)))

        async def lexical(scope: Scope, text: str) -> list[Candidate]:
            return _candidates(await self._lexical((scope, text)))

        legs = Legs(embed, dense, lexical)
        return await retrieve(plan, legs, engine=self._engine, limit=plan.depth)

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
