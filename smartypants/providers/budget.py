"""How often what failed may be tried again: pauses that grow, and a budget that bounds them all."""

from __future__ import annotations

import random
import threading


class RetryBudget:
    """A token bucket that requests fill and retries empty.

    Of many requests at most a share of `ratio` is tried again, so an outage is not multiplied;
    `reserve` retries are there from the start, for whoever asks seldom.

    >>> budget = RetryBudget(ratio=0.1, reserve=10)
    >>> budget.withdraw()
    True
    """

    def __init__(self, *, ratio: float, reserve: int) -> None:
        self._ratio = ratio
        self._most = float(reserve)
        self._balance = float(reserve)
        self._lock = threading.Lock()

    @property
    def empty(self) -> bool:
        return self._balance < 1.0

    def deposit(self) -> None:
        """For each request that is no retry."""
        with self._lock:
            self._balance = min(self._balance + self._ratio, self._most)

    def withdraw(self) -> bool:
        """Whether a retry may be made; it is paid for then."""
        with self._lock:
            if self._balance < 1.0:
                return False
            self._balance -= 1.0
            return True


def pause_s(retry: int, *, first_s: float, longest_s: float) -> float:
    """Before the retry of this number, from 1: any time up to one that doubles (full jitter),
    so that those who failed together do not come back together."""
    return random.uniform(0.0, min(first_s * 2 ** (retry - 1), longest_s))  # noqa: S311 - no secret
