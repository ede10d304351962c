"""Deployment: generates text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from actors.worker_logs import configure_worker_logs
from smartypants import wiring
from smartypants.settings import Settings
from smartypants.types import Delta, Message, SamplingParams


class LLMServer:
    """Streams from the providers of the model that is asked for; ready when vLLM is, if it is one.

    How providers fare, each replica learns by itself.
    """

    async def __init__(self, settings: Settings) -> None:  # type: ignore[misc]
        configure_worker_logs(settings)
        self._llm = wiring.make_llm(settings)
        await self._llm.start()

    async def generate(
        self,
        messages: Sequence[Message],
        params: SamplingParams,
        request_id: str,
        deadline: float | None = None,
    ) -> AsyncIterator[Delta]:
        deltas = self._llm.generate(messages, params, request_id=request_id, deadline=deadline)
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
