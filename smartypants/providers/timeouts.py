"""Limits on how long a stream of tokens may take: to begin, between tokens, and as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. One limit for the whole call, for a stream that drips must end too."""

    connect_s: float = 5.0
    first_token_s: float = 60.0
    between_tokens_s: float = 30.0
    total_s: float = 120.0


class StreamLimits:
    """The limits of one call, which begins now."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._started = self._now()
        self._begun = False
        self.exceeded = ""
        """What took too long, if anything did."""

    def token_came(self) -> None:
        self._begun = True

    async def within(self, awaitable: Awaitable[Any]) -> Any:
        """What the awaitable gives. Raises `TimeoutError` when the next limit passes first."""
        chosen, now = self._timeouts, self._now()
        limits = [(self._started + chosen.total_s, f"took more than {chosen.total_s:g} s")]
        if self._begun:
            said = f"took more than {chosen.between_tokens_s:g} s between two tokens"
            limits.append((now + chosen.between_tokens_s, said))
        else:
            said = f"took more than {chosen.first_token_s:g} s to begin"
            limits.append((self._started + chosen.first_token_s, said))
        at, said = min(limits)
        try:
            async with asyncio.timeout_at(at):
                return await awaitable
        except TimeoutError:
            self.exceeded = said
            raise

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


async def chunks(opening: Awaitable[Any], limits: StreamLimits) -> AsyncGenerator[Any, None]:
    """What a vendor's stream has, within the limits; closing this closes the connection, which
    is how the endpoint learns to stop. The reader's own time is not the endpoint's."""
    stream = await limits.within(opening)
    async with stream:
        source = aiter(stream)
        while (chunk := await limits.within(anext(source, None))) is not None:
            yield chunk
