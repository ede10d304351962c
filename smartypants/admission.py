"""Lets in what can be done in time, and turns the rest away at once.

A queue in front of a system that is full helps nobody: everyone waits until all are late. So a
caller learns on arrival whether its turn would come in time, and if not, when to come again.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from smartypants.errors import Overloaded

_GAIN = 0.1
_DEVIATIONS = 2.0
_SERVICE_SHARE = 0.5
"""Of its caller's time, that work may take: the rest is for waiting."""
_PLANNED_SHARE = 0.8
"""Of its caller's time, that waiting and work may be expected to take: a mean is exceeded often,
and the way here and back takes time too."""
_DECREASE = 0.8


class Estimate:
    """A running mean, and how far values are from it: RFC 6298, which does so for round trips."""

    def __init__(self) -> None:
        self.mean = 0.0
        self._deviation = 0.0
        self._known = False

    def add(self, value: float) -> None:
        if not self._known:
            self.mean, self._deviation, self._known = value, value / 2, True
            return
        self._deviation += _GAIN * (abs(value - self.mean) - self._deviation)
        self.mean += _GAIN * (value - self.mean)

    @property
    def high(self) -> float:
        """What few values exceed; 0 while nothing is known."""
        return self.mean + _DEVIATIONS * self._deviation


@dataclass(frozen=True, slots=True)
class Admission:
    """A place; `load` is the share of the caller's time that waiting and work were to take on
    arrival, 0 where there was room: near 1 it is wise to leave out what can be left out."""

    load: float
    waited: bool
    """Whether there was no room."""


class Gate:
    """At most `places` are at work at once; others wait in order, while their turn comes in time.

    How long a turn takes to come is the number of those who wait times the recent interval
    between two that finish (Little's law); how long the work takes is measured too. Those at
    work share the machine: where work takes more than half of its caller's time there are fewer
    places, by a fifth, and where it doesn't and others wait, one more for each round of them
    (additive increase, multiplicative decrease: Chiu & Jain, 1989).

    >>> async with gate.admitted(budget_s=2.0) as admission: ...
    """

    def __init__(
        self, places: int, *, most_waiting: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most_places = places
        self._places = float(places)
        self._lowered_at = float("-inf")
        self._most_waiting = most_waiting
        self._clock = clock
        self._working = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._interval = Estimate()
        self._service = Estimate()
        self._finished_full_at: float | None = None
        """When the last one finished, if others were waiting for its place."""

    @property
    def places(self) -> int:
        """At present."""
        return int(self._places)

    @property
    def working(self) -> int:
        return self._working

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @asynccontextmanager
    async def admitted(self, budget_s: float) -> AsyncIterator[Admission]:
        """A place, when its turn comes.

        Raises `Overloaded`, whose `retry_after_s` is when there is likely to be room: on
        arrival if the work would hardly be done within `budget_s` seconds, and on its turn if
        that came too late after all.
        """
        arrived = self._clock()
        expected = self._expected()
        late = expected - _PLANNED_SHARE * budget_s
        if self._full and (late > 0 or len(self._waiting) >= self._most_waiting):
            raise _overloaded(max(late, self._interval.mean))
        load, waited = 0.0, self._full
        if waited:
            load = min(expected / budget_s, 1.0)
            await self._turn()
            left = budget_s - (self._clock() - arrived)
            if self._service.high > left:
                self._pass_on()
                raise _overloaded(self._service.high - left)
        else:
            self._working += 1
        began = self._clock()
        try:
            yield Admission(load, waited)
            self._took(began, budget_s)
        except Exception:
            self._took(began, budget_s, at_least=self._service.mean)
            raise
        finally:
            self._finished()

    @property
    def _full(self) -> bool:
        return self._working >= self.places

    def _took(self, began: float, budget_s: float, at_least: float = 0.0) -> None:
        """Learn from work that was done, or that failed, which would have taken longer."""
        now = self._clock()
        took = now - began
        self._service.add(max(took, at_least))
        if took > _SERVICE_SHARE * budget_s:
            if began >= self._lowered_at:  # later work shows what that did
                self._places, self._lowered_at = max(_DECREASE * self._places, 1.0), now
        elif self._waiting:
            self._places = min(self._places + 1.0 / self._places, self._most_places)

    def _expected(self) -> float:
        """Seconds until one that arrives now would be done."""
        wait = (len(self._waiting) + 1) * self._interval.mean if self._full else 0.0
        return wait + self._service.high

    async def _turn(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()  # the place was ours already
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def _finished(self) -> None:
        """Note how often work ends while others wait for its place, and hand that on."""
        now = self._clock()
        if self._finished_full_at is not None:
            self._interval.add(now - self._finished_full_at)
        self._finished_full_at = now if self._waiting else None
        self._pass_on()

    def _pass_on(self) -> None:
        """Hand a place to those who wait, and what has become free beside it."""
        self._working -= 1
        while self._waiting and not self._full:
            turn = self._waiting.popleft()
            if not turn.done():  # of one that was cancelled, and has not noticed yet
                turn.set_result(None)
                self._working += 1


def _overloaded(seconds: float) -> Overloaded:
    error = Overloaded("More is asked for than can be done in time.", "Retry-After says when.")
    error.retry_after_s = seconds
    return error
