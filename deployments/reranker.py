"""Deployment: scores passages against queries."""

from __future__ import annotations

import asyncio

from smartypants import wiring
from smartypants.errors import SetupError
from smartypants.settings import Settings


class RerankerServer:
    """A cross-encoder. Deployed only where `reranker.model` is set."""

    def __init__(self, settings: Settings) -> None:
        reranker = wiring.make_reranker(settings)
        if reranker is None:
            raise SetupError("reranker.model is not set.")
        self._reranker = reranker

    async def scores(self, query: str, passages: list[str]) -> list[float]:
        return await asyncio.to_thread(self._reranker.scores, query, passages)

    async def ready(self) -> str:
        return self._reranker.model
