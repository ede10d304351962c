"""Requests at rates that are multiples of what a system gets done, and what came of them."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks import _common
from benchmarks._common import Figures
from benchmarks.ingest import Run, sampled_memory

TIMES = (0.5, 1.0, 2.0, 4.0)
"""Of the capacity."""
SHED = (429, 503)
MAX_REQUESTS = 50_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request; `status` 0 is a connection that broke."""

    status: int
    seconds: float
    first_s: float = 0.0
    shed: frozenset[str] = frozenset()
    """Steps that were left out, by accident and not by choice."""


@dataclass(slots=True)
class Level:
    """What came of one rate of arrivals."""

    rate: float
    seconds: float
    outcomes: list[Outcome] = field(default_factory=list)
    memory_mb: float = 0.0

    def figures(self, prefix: str, deadline_s: float) -> Figures:
        good = [outcome for outcome in self.outcomes if outcome.status == 200]
        took = [outcome.seconds for outcome in good] or [0.0]
        first = [outcome.first_s for outcome in good if outcome.first_s] or [0.0]
        count = max(len(self.outcomes), 1)
        unexpected = [o for o in self.outcomes if o.status not in (200, *SHED)]
        return {
            f"{prefix}.offered_per_s": self.rate,
            f"{prefix}.goodput": sum(t <= deadline_s for t in took) / self.seconds if good else 0,
            f"{prefix}.p50_ms": 1000 * _common.percentile(took, 0.5),
            f"{prefix}.p95_ms": 1000 * _common.percentile(took, 0.95),
            f"{prefix}.p99_ms": 1000 * _common.percentile(took, 0.99),
            f"{prefix}.ttft_p50_ms": 1000 * _common.percentile(first, 0.5),
            f"{prefix}.ttft_p95_ms": 1000 * _common.percentile(first, 0.95),
            f"{prefix}.shed_share": sum(o.status in SHED for o in self.outcomes) / count,
            f"{prefix}.degraded_share": sum(bool(o.shed) for o in good) / max(len(good), 1),
            f"{prefix}.unexpected_status": len(unexpected),
            f"{prefix}.memory_mb": self.memory_mb,
        }


class Ask(Protocol):
    def __call__(self, number: int, deadline_s: float | None) -> Awaitable[Outcome]:
        """Send the nth request."""


async def levels(ask: Ask, prefix: str, deadline_s: float, seconds: float, clients: int) -> Figures:
    await closed_loop(ask, clients, seconds / 4)  # warm-up
    capacity = await closed_loop(ask, clients, seconds / 2)
    figures: Figures = {f"{prefix}.capacity_per_s": capacity}
    _common.say(f"{prefix}: {capacity:.1f} requests/s by {clients} clients in a closed loop")
    for times in TIMES:
        level = await open_loop(ask, times * capacity, deadline_s, seconds)
        figures |= level.figures(f"{prefix}.x{times:g}", deadline_s)
        counts = Counter(outcome.status for outcome in level.outcomes)
        _common.say(f"{prefix}: {times:g} times: {dict(counts)}")
    return figures


async def closed_loop(ask: Ask, clients: int, seconds: float) -> float:
    """Requests a second that clients get done who each ask, wait, and ask again."""
    numbers, done = itertools.count(), 0
    started = time.perf_counter()

    async def client() -> None:
        nonlocal done
        while time.perf_counter() - started < seconds:
            outcome = await ask(next(numbers), None)
            done += outcome.status == 200

    await asyncio.gather(*(client() for _ in range(clients)))
    return done / (time.perf_counter() - started)


async def open_loop(ask: Ask, rate: float, deadline_s: float, seconds: float) -> Level:
    """Requests that arrive by chance, whatever became of those before."""
    chance, memory, level = random.Random(1), Run(), Level(rate, seconds)

    async def one(number: int) -> None:
        level.outcomes.append(await ask(number, deadline_s))

    with sampled_memory(memory):
        started, due = time.perf_counter(), 0.0
        async with asyncio.TaskGroup() as requests:
            for number in range(MAX_REQUESTS):
                due += chance.expovariate(rate)
                if due > seconds:
                    break
                await asyncio.sleep(max(started + due - time.perf_counter(), 0))
                requests.create_task(one(number))
    level.memory_mb = memory.peak_rss / 2**20
    return level
