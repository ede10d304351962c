"""Who is let in, and what the others are told, in virtual time."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from functools import cache

import pytest

from smartypants.admission import Gate
from smartypants.errors import Overloaded
from tests import virtual_time

SERVICE_S, PLACES, BUDGET_S = 0.1, 4, 1.0
CAPACITY = PLACES / SERVICE_S
"""Requests a second that can be done."""


def clock() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Seen:
    """How long those took that were let in, and what the others were told, and after how long."""

    done: list[float] = field(default_factory=list)
    refused: list[tuple[float, float]] = field(default_factory=list)


async def drive(
    times_capacity: float, seconds: float, seed: int = 1, *, faltering: bool = False
) -> Seen:
    """Poisson arrivals; work takes between half and twice the usual time, and if the machine is
    faltering, twice that during half a second of every five."""
    gate = Gate(PLACES, most_waiting=1000, clock=clock)
    seen, chance, tasks = Seen(), random.Random(seed), set()

    async def request() -> None:
        arrived = clock()
        try:
            async with gate.admitted(BUDGET_S):
                slower = 2.0 if faltering and clock() % 5 < 0.5 else 1.0
                await asyncio.sleep(slower * SERVICE_S * chance.choice([0.5, 0.75, 1.0, 1.75]))
        except Overloaded as exc:
            seen.refused.append((clock() - arrived, exc.retry_after_s or 0.0))
        else:
            seen.done.append(clock() - arrived)

    while clock() < seconds:
        await asyncio.sleep(chance.expovariate(times_capacity * CAPACITY))
        tasks.add(asyncio.create_task(request()))
    await asyncio.gather(*tasks)
    assert (gate.working, gate.waiting) == (0, 0)
    return seen


@cache
def driven(times_capacity: float) -> Seen:
    """A minute of it."""
    return virtual_time.run(drive(times_capacity, 60))


@pytest.mark.parametrize("times", [1.5, 2.0, 4.0])
def test_past_capacity_who_is_let_in_is_in_time(times: float) -> None:
    seen = driven(times)
    late = sum(took > BUDGET_S for took in seen.done) / len(seen.done)
    assert late < 0.01
    goodput = len(seen.done) / 60
    assert 0.9 * CAPACITY < goodput < 1.1 * CAPACITY


def test_past_capacity_the_rest_hears_at_once() -> None:
    seen = driven(4.0)
    at_once = sum(after == 0 for after, _ in seen.refused) / len(seen.refused)
    assert at_once > 0.9
    assert all(0 < told < BUDGET_S for _, told in seen.refused)


def test_a_machine_that_falters_keeps_few_waiting_in_vain() -> None:
    seen = virtual_time.run(drive(4.0, 60, faltering=True))
    late = sum(took > BUDGET_S for took in seen.done) / len(seen.done)
    in_vain = sum(after > 0 for after, _ in seen.refused) / len(seen.done)
    assert late < 0.015
    assert in_vain < 0.12  # 0.26 where all of a caller's time was planned with
    assert len(seen.done) / 60 > 0.9 * CAPACITY


def test_below_capacity_nobody_is_refused() -> None:
    seen = driven(0.5)
    assert not seen.refused
    assert max(seen.done) < BUDGET_S


class SharedMachine:
    """Does `CAPACITY` of work a second, shared by all that is at work."""

    STEP_S = 0.01

    def __init__(self) -> None:
        self._left: dict[asyncio.Future[None], float] = {}

    async def work(self, amount: float) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left[done] = amount
        try:
            await done
        finally:
            self._left.pop(done, None)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self.STEP_S)
            for done in list(self._left):
                self._left[done] -= CAPACITY * self.STEP_S / len(self._left)
                if self._left[done] <= 0 and not done.done():
                    done.set_result(None)


@pytest.mark.parametrize("times", [0.5, 1.0, 2.0, 4.0])
def test_work_that_slows_each_other_down_is_still_in_time(times: float) -> None:
    """With so many places, all of them at work would all be late, and nothing be done."""
    places, budget_s, seconds = 2 * int(CAPACITY), 1.0, 120.0

    async def main() -> tuple[list[float], int]:
        gate = Gate(places, most_waiting=1000, clock=clock)
        machine, chance, tasks = SharedMachine(), random.Random(1), set()
        running = asyncio.create_task(machine.run())
        took, late = [], 0

        async def request() -> None:
            nonlocal late
            arrived = clock()
            try:
                async with (
                    gate.admitted(budget_s),
                    asyncio.timeout(budget_s - (clock() - arrived)),
                ):
                    await machine.work(chance.choice([0.5, 1.0, 1.5]))
            except Overloaded:
                pass
            except TimeoutError:
                late += 1
            else:
                took.append(clock() - arrived)

        while clock() < seconds:
            await asyncio.sleep(chance.expovariate(times * CAPACITY))
            tasks.add(asyncio.create_task(request()))
        await asyncio.gather(*tasks)
        running.cancel()
        assert (gate.working, gate.waiting) == (0, 0)
        return took, late

    took, late = virtual_time.run(main())
    assert late < 0.05 * len(took)
    assert len(took) / seconds > 0.85 * min(times, 1.0) * CAPACITY


def test_load_tells_how_full_it_is() -> None:
    async def main() -> list[float]:
        gate = Gate(1, most_waiting=10, clock=clock)
        loads = []

        async def request() -> None:
            async with gate.admitted(10.0) as admission:
                loads.append(admission.load)
                await asyncio.sleep(1.0)

        await asyncio.gather(*(request() for _ in range(3)))
        await asyncio.gather(*(request() for _ in range(5)))
        return loads

    loads = virtual_time.run(main())
    assert loads[0] == 0.0  # nothing is known yet
    assert loads[3:] == sorted(loads[3:])
    assert loads[-1] > 0.4


def test_queue_that_is_full() -> None:
    async def main() -> None:
        gate = Gate(1, most_waiting=1, clock=clock)

        async def request() -> None:
            async with gate.admitted(60.0):
                await asyncio.sleep(1.0)

        outcomes = await asyncio.gather(*(request() for _ in range(4)), return_exceptions=True)
        assert [isinstance(outcome, Overloaded) for outcome in outcomes] == [0, 0, 1, 1]

    virtual_time.run(main())


@pytest.mark.parametrize("cancelled_after", [0.5, 1.0])
def test_who_leaves_the_queue_holds_up_nobody(cancelled_after: float) -> None:
    """Also at the very moment when its turn has come."""

    async def main() -> float:
        gate = Gate(1, most_waiting=10, clock=clock)

        async def request() -> None:
            async with gate.admitted(60.0):
                await asyncio.sleep(1.0)

        first = asyncio.create_task(request())
        await asyncio.sleep(0)
        leaver = asyncio.create_task(request())
        last = asyncio.create_task(request())
        await asyncio.sleep(cancelled_after)
        leaver.cancel()
        await asyncio.gather(first, last)
        assert leaver.cancelled()
        assert (gate.working, gate.waiting) == (0, 0)
        return clock()

    assert virtual_time.run(main()) == pytest.approx(2.0)


def test_work_that_fails_frees_its_place() -> None:
    async def main() -> None:
        gate = Gate(1, most_waiting=10, clock=clock)
        for _ in range(3):
            with pytest.raises(ValueError, match="broken"):
                async with gate.admitted(1.0):
                    raise ValueError("broken")
        assert gate.working == 0

    virtual_time.run(main())


def test_where_there_is_room_a_short_deadline_is_tried() -> None:
    async def main() -> None:
        gate = Gate(1, most_waiting=10)  # with a clock that moves between two calls
        async with gate.admitted(60.0):
            await asyncio.sleep(0.01)
        async with gate.admitted(0.001):
            pass

    asyncio.run(main())
