"""Deployment: scores passages against queries, those of several requests at once."""

from __future__ import annotations

import asyncio
from typing import Any

from ray import serve

from actors.worker_logs import configure_worker_logs
from smartypants import wiring
from smartypants.errors import SetupError
from smartypants.reranking import Request, score_together
from smartypants.settings import Settings

BATCH_WAIT_S = 0.002


class RerankerServer:
    """A cross-encoder. Deployed only where `reranker.model` is set.

    One batch is computed at a time; what comes in meanwhile is the next one. The model packs
    the pairs of a batch by length, so each forward pass has a bounded number of tokens.
    """

    def __init__(self, settings: Settings) -> None:
        configure_worker_logs(settings)
        reranker = wiring.make_reranker(settings)
        if reranker is None:
            raise SetupError("reranker.model is not set.")
        self._reranker = reranker
        reranker.scores("warm-up", ["a passage"])
        batching: Any = self._batched
        batching.set_max_batch_size(settings.reranker.max_batch_requests)

    async def scores(self, query: str, passages: list[str]) -> list[float]:
        found: list[float] = await self._batched((query, passages))
        return found

    @serve.batch(batch_wait_timeout_s=BATCH_WAIT_S, max_concurrent_batches=1)
    async def _batched(self, requests: list[Request]) -> list[list[float]]:
        return await asyncio.to_thread(score_together, self._reranker, requests)

    async def ready(self) -> str:
        return self._reranker.model
