"""How often an address may fail to authenticate: shared by the replicas, like all limits."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections.abc import Callable
from typing import Final

from cachetools import TLRUCache

from smartypants.errors import RateLimited
from smartypants.limits import settings
from smartypants.limits.limiter import refusal
from smartypants.limits.rules import EPOCH, Charge, Rate
from smartypants.limits.store import LimitStore

MAX_REMEMBERED: Final = 10_000
IPV6_PREFIX: Final = 64
"""What one customer of a network has at least: its addresses count as one."""


class FailureLimit:
    """Only failures cost a look into the store; who has had too many is remembered here.

    >>> limit = FailureLimit(settings.limits.failures, MemoryLimits())
    >>> limit.refusal("192.0.2.7")  # before anything is looked at; None: go on
    >>> limit.failed("192.0.2.7")  # off the event loop; None: say so, else refuse
    """

    def __init__(
        self, rate: settings.Rate, store: LimitStore, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._rate = rate
        self._store = store
        self._clock = clock
        self._until: TLRUCache[str, float] = TLRUCache(
            MAX_REMEMBERED, lambda _, until, now: until, timer=clock
        )
        self._lock = threading.Lock()

    def refusal(self, address: str) -> RateLimited | None:
        with self._lock:
            until = self._until.get(_owner(address))
        return None if until is None else self._refused(until - self._clock())

    def failed(self, address: str) -> RateLimited | None:
        """Count a failure. Raises `LedgerUnavailable`."""
        owner, rate, now = _owner(address), self._rate, self._clock() - EPOCH
        key, burst = f"address:{owner}", rate.burst or rate.limit
        rule = Rate("address-failures", key, "requests", rate.limit, rate.per_s, burst)
        decision = self._store.apply([Charge(rule, 1)], now)
        if not decision.refused:
            return None
        wait_s = refusal(decision, now).retry_after_s or 0.0
        with self._lock:
            self._until[owner] = self._clock() + wait_s
        return self._refused(wait_s)

    def _refused(self, wait_s: float) -> RateLimited:
        error = RateLimited(
            "Too many requests from this address were not authenticated.",
            "Send valid credentials after the time in Retry-After.",
        )
        error.retry_after_s = float(math.ceil(wait_s))
        return error


def _owner(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # of a socket in the file system, or a test's client
        return address[:100]
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))
