"""Deployment: embeds queries, several at a time."""

from __future__ import annotations

import asyncio
import os

from ray import serve

from actors.worker_logs import configure_worker_logs
from smartypants import wiring
from smartypants.protocols import Vectors
from smartypants.settings import Settings


class EmbedderServer:
    """Text → unit vector; requests that arrive together share a forward pass."""

    def __init__(self, settings: Settings) -> None:
        configure_worker_logs(settings)
        # One thread: a query is short, and a second thread costs more in waiting than it gives.
        self._embedder = wiring.make_embedder(settings, workers=os.cpu_count() or 1)
        if not settings.embedder.remote:  # another's may be down now, and up when it matters
            self._embedder.embed(["warm-up"])

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.0, max_concurrent_batches=1)
    async def embed(self, texts: list[str]) -> list[Vectors]:
        return list(await asyncio.to_thread(self._embedder.embed, texts))

    async def ready(self) -> str:
        return self._embedder.model

    async def embed_many(self, texts: list[str]) -> Vectors:
        return await asyncio.to_thread(self._embedder.embed, texts)
