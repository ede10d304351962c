"""Who may ask for how much: the settings' limits of a user and key, taken from a store."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from smartypants.errors import QuotaSpent, RateLimited
from smartypants.limits.rules import EPOCH, Charge, Decision, Period, Quota, Rate, Rule, Unit, quota
from smartypants.limits.settings import LimitSet, LimitSettings
from smartypants.limits.store import LimitStore
from smartypants.metering.payer import Payer

Scope = Literal["user", "key"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of a rule, and in how many seconds there is more."""

    rule: Rule
    remaining: int
    reset_s: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """How all rules stand, and why nothing was taken, if so."""

    standings: tuple[Standing, ...]
    refusal: RateLimited | None

    def check(self) -> None:
        """Raises `RateLimited` or `QuotaSpent`."""
        if self.refusal is not None:
            raise self.refusal


class Limiter:
    """Answers from the thread that asks: call it off the event loop.

    >>> limiter = Limiter(settings.limits, MemoryLimits())
    >>> limiter.admit(payer, spends_tokens=True).check()
    """

    def __init__(
        self, settings: LimitSettings, store: LimitStore, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock

    def admit(self, payer: Payer, *, spends_tokens: bool) -> Verdict:
        """Take one request, if there are tokens left where it spends any."""
        return self._take(payer, {"requests": 1, "tokens": 1 if spends_tokens else 0})

    def documents(self, payer: Payer, count: int) -> Verdict:
        """Take so many documents, or none."""
        return self._take(payer, {"documents": count})

    def debit(self, spent: Mapping[Payer, int]) -> None:
        """Take tokens that were spent, whatever is left."""
        now = self._now()
        for payer, tokens in spent.items():
            rules = [rule for rule in self.rules(payer, now) if rule.unit == "tokens"]
            if rules and tokens:
                self._store.apply([Charge(rule, tokens, "debit") for rule in rules], now)

    def rules(self, payer: Payer, now: float) -> list[Rule]:
        """Of the user, and of the key where there is one."""
        chosen = self._settings
        found: list[Rule] = []
        if payer.user_id:
            limits = chosen.users.get(payer.user_name, chosen.user)
            found += _rules("user", payer.user_id, limits, now)
        if payer.key_id:
            limits = chosen.keys.get(payer.key_id, chosen.key)
            found += _rules("key", payer.key_id, limits, now)
        return found

    def _take(self, payer: Payer, wanted: Mapping[Unit, int]) -> Verdict:
        now = self._now()
        charges = [
            Charge(rule, units, "take" if units and rule.unit != "tokens" else "test")
            for rule in self.rules(payer, now)
            for units in [wanted.get(rule.unit, 0)]
        ]
        decision = self._store.apply(charges, now)
        standings = tuple(
            _standing(charge.rule, decision.values[charge.rule.key], now) for charge in charges
        )
        return Verdict(standings, refusal(decision, now) if decision.refused else None)

    def _now(self) -> float:
        return self._clock() - EPOCH


def _rules(scope: Scope, owner: str, limits: LimitSet, now: float) -> list[Rule]:
    found: list[Rule] = []
    for unit in get_args(Unit):
        rate = limits.rates.get(unit)
        key = f"{scope}:{owner}:{unit}"
        if rate is not None:
            burst = rate.burst or rate.limit
            name = f"{scope}-{unit}"
            found.append(Rate(name, f"{key}:rate", unit, rate.limit, rate.per_s, burst))
        periods: Sequence[tuple[Period, str, int | None]] = (
            ("day", "daily", limits.daily.chosen.get(unit)),
            ("month", "monthly", limits.monthly.chosen.get(unit)),
        )
        for period, word, limit in periods:
            if limit is not None:
                name = f"{scope}-{unit}-{word}"
                found.append(quota(name, f"{key}:{period}", unit, limit, period, now))
    return found


def _standing(rule: Rule, value: float, now: float) -> Standing:
    left = rule.remaining(value, now)
    return Standing(rule, left, rule.wait_s(value, left + 1, now) if left < rule.burst else 0.0)


def refusal(decision: Decision, now: float) -> RateLimited:
    """The refusal that lasts longest."""

    def wait_s(charge: Charge) -> float:
        rule = charge.rule
        units = min(charge.units, rule.burst)
        return rule.wait_s(decision.values[rule.key], units, now) or rule.window_s

    worst = max(decision.refused, key=wait_s)
    rule = worst.rule
    if worst.units > rule.burst:
        hint = f"Send {rule.burst} at most at once."
    else:
        hint = "Try again after the time in Retry-After."
    kind = QuotaSpent if isinstance(rule, Quota) else RateLimited
    error = kind(f"The limit {rule.name} of {rule.limit} in {rule.window_s} s is reached.", hint)
    error.retry_after_s = wait_s(worst)
    return error
