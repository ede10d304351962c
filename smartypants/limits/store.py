"""Where the numbers of rates and quotas are kept, so that a decision is one step for all."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from smartypants.limits.rules import Charge, Decision, decide

MOST_KEYS = 100_000


class LimitStore(Protocol):
    """May be asked from several threads at once."""

    def apply(self, charges: Sequence[Charge], now: float) -> Decision:
        """Take all of it or nothing. Charges have different keys."""
        ...


class MemoryLimits:
    """In this process alone."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._expires: dict[str, float] = {}
        self._lock = threading.Lock()

    def apply(self, charges: Sequence[Charge], now: float) -> Decision:
        with self._lock:
            decision = decide(charges, self._values, now)
            for charge in charges:
                key = charge.rule.key
                self._values[key] = decision.values[key]
                self._expires[key] = charge.rule.expires_at(decision.values[key], now)
            if len(self._values) > MOST_KEYS:
                self._forget(now)
            return decision

    def _forget(self, now: float) -> None:
        """What is as if nothing had been taken."""
        for key in [key for key, ends in self._expires.items() if ends <= now]:
            del self._values[key], self._expires[key]
