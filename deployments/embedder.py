"""Embeds queries, several at a time: a part of the retriever, or a deployment (`serve.apart`)."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from ray import serve

from actors.worker_logs import configure_worker_logs
from smartypants import accounting, wiring
from smartypants.metering.payer import NOBODY, Payer
from smartypants.protocols import Vectors
from smartypants.settings import Settings


class EmbedderServer:
    """Text → unit vector; requests that arrive together share a forward pass."""

    def __init__(self, settings: Settings) -> None:
        configure_worker_logs(settings)
        # One thread: a query is short, and a second thread costs more in waiting than it gives.
        self._meter = accounting.make_meter(settings, wiring.open_ledger(settings))
        self._embedder = accounting.make_metered_embedder(
            settings, self._meter, workers=os.cpu_count() or 1
        )
        if not settings.embedder.remote:  # another's may be down now, and up when it matters
            self._embedder.plugin.embed(["warm-up"])
        batching: Any = self.embed
        batching.set_max_batch_size(settings.serve.max_batch_requests)

    @serve.batch(batch_wait_timeout_s=0.0, max_concurrent_batches=1)
    async def embed(self, asked: list[tuple[str, Payer]]) -> list[Vectors]:
        texts, payers = [text for text, _ in asked], [payer for _, payer in asked]
        return list(await asyncio.to_thread(self._embedder.embed, texts, payers))

    async def ready(self) -> str:
        return self._embedder.plugin.model

    async def embed_many(self, texts: list[str], payer: Payer = NOBODY) -> Vectors:
        payers = [payer] * len(texts)
        return await asyncio.to_thread(self._embedder.embed, texts, payers)

    def close(self) -> None:
        """Write what was metered."""
        self._meter.close()

    def __del__(self) -> None:
        if hasattr(self, "_meter"):
            self.close()
