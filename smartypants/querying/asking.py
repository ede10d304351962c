"""Short calls of the language model while a query waits: within its time, or not at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from smartypants.errors import SmartyPantsError
from smartypants.types import Delta, Message, SamplingParams

RESERVE_S = 0.5
"""Of the time until the deadline, what retrieving needs."""
FIRST_GUESS_S = 1.0
LONGEST_S = 20.0
"""Nobody waits longer for a query to be interpreted, whatever the deadline."""
MARGIN = 1.25
_NEWEST = 0.3
_FADING = 0.9


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said, and what it cost."""

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def cost(self) -> str:
        return f"{self.prompt_tokens} + {self.completion_tokens} tokens"


async def whole(deltas: AsyncGenerator[Delta, None]) -> Reply:
    """What a stream of deltas says, once it has ended."""
    text, last = "", Delta("")
    async with aclosing(deltas):
        async for last in deltas:
            text += last.text
    return Reply(text, last.prompt_tokens, last.completion_tokens)


Ask = Callable[[Sequence[Message], SamplingParams, float], Awaitable[Reply]]
"""Asks the model; the last argument is the Unix time after which nobody waits."""


class StepSkipped(Exception):
    """A step is left out; its only argument is the reason, as the response gives it."""


@dataclass(slots=True)
class Pace:
    """How many seconds calls took lately, by their purpose: an exponential mean."""

    _seconds: dict[str, float] = field(default_factory=dict)

    def expected(self, purpose: str) -> float:
        return self._seconds.get(purpose, FIRST_GUESS_S)

    def took(self, purpose: str, seconds: float) -> None:
        before = self._seconds.get(purpose, seconds)
        self._seconds[purpose] = before + _NEWEST * (seconds - before)

    def skipped(self, purpose: str) -> None:
        """What was slow once is tried again some time."""
        self._seconds[purpose] = _FADING * self.expected(purpose)


async def ask_in_time(
    purpose: str,
    messages: Sequence[Message],
    sampling: SamplingParams,
    *,
    ask: Ask | None,
    pace: Pace,
    deadline: float | None,
) -> Reply:
    """Raises `StepSkipped` where there is no model, or no time for it, or it fails."""
    if ask is None:
        raise StepSkipped("no language model is there")
    now = time.time()
    left = LONGEST_S if deadline is None else min(deadline - now - RESERVE_S, LONGEST_S)
    expected = pace.expected(purpose)
    if left < MARGIN * expected:
        pace.skipped(purpose)
        raise StepSkipped(f"{max(left, 0):.1f} s are left, and it took {expected:.1f} s lately")
    started = time.perf_counter()
    try:
        async with asyncio.timeout(left):
            reply = await ask(messages, sampling, now + left)
    except TimeoutError as exc:
        pace.took(purpose, time.perf_counter() - started)
        raise StepSkipped(f"the language model took over {left:.1f} s") from exc
    except SmartyPantsError as exc:
        raise StepSkipped(f"the language model failed: {exc.title.lower()}") from exc
    pace.took(purpose, time.perf_counter() - started)
    return reply
