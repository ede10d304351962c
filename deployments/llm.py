"""Deployment: generates text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from functools import partial

from actors.worker_logs import configure_worker_logs
from smartypants import accounting, wiring
from smartypants.metering.payer import NOBODY, Payer
from smartypants.settings import Settings
from smartypants.types import Delta, Message, SamplingParams


class LLMServer:
    """Streams from the providers of the model that is asked for; ready when vLLM is, if it is one.

    How providers fare, each replica learns by itself.
    """

    async def __init__(self, settings: Settings) -> None:  # type: ignore[misc]
        configure_worker_logs(settings)
        self._llm = wiring.make_llm(settings)
        self._meter = accounting.make_meter(settings, wiring.open_ledger(settings))
        await self._llm.start()

    async def generate(
        self,
        messages: Sequence[Message],
        params: SamplingParams,
        request_id: str,
        deadline: float | None = None,
        payer: Payer = NOBODY,
    ) -> AsyncIterator[Delta]:
        deltas = self._llm.generate(
            messages,
            params,
            request_id=request_id,
            deadline=deadline,
            note=partial(self._meter.called, payer),
        )
        async with aclosing(deltas):
            async for delta in deltas:
                yield delta

    async def ready(self) -> str:
        return self._llm.model

    async def check_health(self) -> None:
        await self._llm.check_health()

    def __del__(self) -> None:
        llm = getattr(self, "_llm", None)
        if llm is not None:
            llm.shutdown()
            self._meter.close()
