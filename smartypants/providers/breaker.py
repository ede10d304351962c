"""A circuit breaker: who fails again and again is left alone for a while, then tried once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "half_open"]


class CircuitBreaker:
    """Opens after `failures` in a row; `open_s` later one call may try, and decides.

    Whoever is admitted says how it went: `succeeded`, `failed`, or `released` where that tells
    nothing. It knows no event loop, and threads may share it.

    >>> breaker = CircuitBreaker(failures=5, open_s=30.0)
    >>> breaker.admit()
    True
    """

    def __init__(
        self, *, failures: int, open_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._failures = failures
        self._open_s = open_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failed = 0
        self._open_until: float | None = None
        self._trying = False

    @property
    def state(self) -> State:
        if self._open_until is None:
            return "closed"
        return "half_open" if self._clock() >= self._open_until else "open"

    @property
    def left_s(self) -> float:
        """Seconds until a call may try; 0 where it is closed or half open."""
        return 0.0 if self._open_until is None else max(self._open_until - self._clock(), 0.0)

    def admit(self) -> bool:
        """Whether a call may go out now. While it is half open, one at a time."""
        with self._lock:
            if self.state == "closed":
                return True
            if self.state == "open" or self._trying:
                return False
            self._trying = True
            return True

    def succeeded(self) -> None:
        with self._lock:
            if self._open_until is not None and not self._trying:
                return  # a call from before it opened
            self._failed, self._open_until, self._trying = 0, None, False

    def failed(self) -> None:
        with self._lock:
            self._failed += 1
            if self._trying or self._failed >= self._failures:
                self._open_until = self._clock() + self._open_s
            self._trying = False

    def released(self) -> None:
        with self._lock:
            self._trying = False
