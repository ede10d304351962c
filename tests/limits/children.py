"""What child processes do: they import no more than they need."""

from __future__ import annotations

from collections.abc import Sequence

from smartypants.ledger.database import connect
from smartypants.ledger.limits import LedgerLimits
from smartypants.limits.redis import RedisLimits
from smartypants.limits.rules import Charge, Decision, Rule
from smartypants.limits.store import LimitStore

TRIES = 40


class Unused:
    """A spare store that nobody should ask."""

    def apply(self, charges: Sequence[Charge], now: float) -> Decision:
        raise AssertionError("Redis did not answer")


def open_store(kind: str, url: str) -> LimitStore:
    if kind == "redis":
        return RedisLimits(url=url, timeout_s=20.0, spare=Unused())
    return LedgerLimits(connect(url))


def take(kind: str, url: str, rules: Sequence[Rule], now: float) -> int:
    """How often one unit of each was there."""
    store = open_store(kind, url)
    charges = [Charge(rule, 1) for rule in rules]
    return sum(not store.apply(charges, now).refused for _ in range(TRIES))
