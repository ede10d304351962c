"""Rates and quotas as pure functions of one number each, which a store keeps.

Of a rate that is the time by which all that was taken will have come back (GCRA, the leaky
bucket as a meter); of a quota it is what was taken since its day or month began.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

Unit = Literal["requests", "tokens", "documents"]
Period = Literal["day", "month"]

EPOCH: Final = 1_767_225_600.0
"""2026-01-01: times count from here, so that their fractions are exact to some nanoseconds."""
SLACK_S: Final = 1e-6
"""What sums of floating-point numbers may be off by."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`limit` units come back in `per_s` seconds, up to `burst`.

    In any t seconds no more are taken than `burst` and what came back, limit * t / per_s.
    """

    name: str
    key: str
    unit: Unit
    limit: int
    per_s: int
    burst: int

    @property
    def window_s(self) -> int:
        return self.per_s

    @property
    def interval_s(self) -> float:
        """In which one comes back."""
        return self.per_s / self.limit

    @property
    def tolerance_s(self) -> float:
        return self.interval_s * self.burst

    def after(self, value: float, units: int, now: float) -> float:
        return max(value, now) + units * self.interval_s

    def wait_s(self, value: float, units: int, now: float) -> float:
        """Until so many can be taken; 0: now."""
        wait = self.after(value, units, now) - self.tolerance_s - now
        return wait if wait > SLACK_S else 0.0

    def remaining(self, value: float, now: float) -> int:
        left = (self.tolerance_s - (max(value, now) - now) + SLACK_S) / self.interval_s
        return max(math.floor(left), 0)

    def expires_at(self, value: float, now: float) -> float:
        """When it is as if nothing had been taken."""
        return max(value, now)


@dataclass(frozen=True, slots=True)
class Quota:
    """`limit` units in the day or month that ends at `ends_at`; its key names that period."""

    name: str
    key: str
    unit: Unit
    limit: int
    window_s: int
    ends_at: float

    @property
    def burst(self) -> int:
        return self.limit

    def after(self, value: float, units: int, now: float) -> float:
        return value + units

    def wait_s(self, value: float, units: int, now: float) -> float:
        return 0.0 if value + units <= self.limit else max(self.ends_at - now, 1.0)

    def remaining(self, value: float, now: float) -> int:
        return max(self.limit - int(value), 0)

    def expires_at(self, value: float, now: float) -> float:
        return self.ends_at


Rule = Rate | Quota


def quota(name: str, key: str, unit: Unit, limit: int, period: Period, now: float) -> Quota:
    """Of the calendar day or month (UTC) that `now` is in."""
    moment = datetime.fromtimestamp(now + EPOCH, UTC)
    began = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "month":
        began = began.replace(day=1)
        months = began.year * 12 + began.month  # of the next one, counted from 0
        ends = began.replace(year=months // 12, month=months % 12 + 1)
        window_s = round(ends.timestamp() - began.timestamp())
    else:
        window_s = 86_400
    start = began.timestamp() - EPOCH
    return Quota(name, f"{key}:{began:%Y-%m-%d}", unit, limit, window_s, start + window_s)


@dataclass(frozen=True, slots=True)
class Charge:
    """`take`: if there are so many; `test`: only whether there are; `debit`: whatever there is."""

    rule: Rule
    units: int
    how: Literal["take", "test", "debit"] = "take"


@dataclass(frozen=True, slots=True)
class Decision:
    """`values` by key, as they are now; where anything was refused, nothing was taken."""

    values: Mapping[str, float]
    refused: tuple[Charge, ...]


def decide(charges: Sequence[Charge], values: Mapping[str, float], now: float) -> Decision:
    """All of the charges, or none. `values` lacks what nothing was ever taken of."""
    before = {charge.rule.key: values.get(charge.rule.key, 0.0) for charge in charges}
    refused = tuple(
        charge
        for charge in charges
        if charge.how != "debit"
        and charge.units
        and charge.rule.wait_s(before[charge.rule.key], charge.units, now) > 0
    )
    if refused:
        return Decision(before, refused)
    taken = {
        charge.rule.key: charge.rule.after(before[charge.rule.key], charge.units, now)
        for charge in charges
        if charge.how != "test" and charge.units
    }
    return Decision({**before, **taken}, ())
