"""Rates and quotas in virtual time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartypants.limits.rules import EPOCH, SLACK_S, Charge, Quota, Rate, decide, quota

NOW = 1_000.0
RATES = st.builds(
    lambda limit, per_s, burst: Rate("r", "k", "requests", limit, per_s, burst),
    st.integers(1, 500),
    st.integers(1, 3600),
    st.integers(1, 500),
)
ARRIVALS = st.lists(
    st.tuples(st.floats(0, 500, allow_nan=False), st.integers(1, 60)), min_size=1, max_size=60
)


def rate(limit: int = 10, per_s: int = 60, burst: int = 10) -> Rate:
    return Rate("r", "k", "requests", limit, per_s, burst)


@settings(deadline=None)
@given(RATES, ARRIVALS)
def test_no_interval_has_more_than_the_burst_and_what_came_back(
    rule: Rate, arrivals: list[tuple[float, int]]
) -> None:
    value, now = 0.0, NOW
    taken: list[tuple[float, int]] = []
    for pause, units in arrivals:
        now += pause
        decision = decide([Charge(rule, units)], {"k": value}, now)
        value = decision.values["k"]
        if not decision.refused:
            taken.append((now, units))
    for first in range(len(taken)):
        total = 0
        for moment, units in taken[first:]:
            total += units
            came_back = (moment - taken[first][0] + SLACK_S) / rule.interval_s
            assert total <= rule.burst + came_back + 1e-6


@settings(deadline=None)
@given(RATES, ARRIVALS)
def test_what_is_said_to_be_left_is_there_and_no_more(
    rule: Rate, arrivals: list[tuple[float, int]]
) -> None:
    value, now = 0.0, NOW
    for pause, units in arrivals:
        now += pause
        left = rule.remaining(value, now)
        assert 0 <= left <= rule.burst
        assert rule.wait_s(value, left, now) == 0
        assert rule.wait_s(value, left + 1, now) > 0
        wait = rule.wait_s(value, units, now)
        if units <= rule.burst:
            assert rule.wait_s(value, units, now + wait) == 0
        value = decide([Charge(rule, units)], {"k": value}, now).values["k"]


def test_a_steady_stream_at_the_rate_is_never_refused() -> None:
    rule, value, now = rate(limit=7, per_s=60, burst=1), 0.0, NOW
    for _ in range(10_000):
        decision = decide([Charge(rule, 1)], {"k": value}, now)
        assert not decision.refused
        value, now = decision.values["k"], now + rule.interval_s


def test_what_was_spent_too_much_is_paid_back() -> None:
    rule = rate(limit=60, per_s=60, burst=100)
    value = decide([Charge(rule, 250, "debit")], {}, NOW).values["k"]
    assert rule.remaining(value, NOW) == 0
    assert rule.wait_s(value, 1, NOW) == pytest.approx(151)
    assert decide([Charge(rule, 1, "test")], {"k": value}, NOW + 150).refused
    assert not decide([Charge(rule, 1, "test")], {"k": value}, NOW + 151.001).refused
    assert not decide([Charge(rule, 0, "test")], {"k": value}, NOW).refused


def test_all_or_nothing() -> None:
    minute, day = rate(), Quota("q", "d", "requests", 3, 86_400, NOW + 500)
    taken = decide([Charge(minute, 1), Charge(day, 1)], {}, NOW)
    assert taken.refused == ()
    assert taken.values["d"] == 1
    refused = decide([Charge(minute, 1), Charge(day, 1)], {"k": 0.0, "d": 3.0}, NOW)
    assert [charge.rule.name for charge in refused.refused] == ["q"]
    assert refused.values == {"k": 0.0, "d": 3.0}


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), max_size=60), st.integers(1, 50))
def test_a_quota_is_never_exceeded(takes: list[int], limit: int) -> None:
    rule, value, total = Quota("q", "d", "documents", limit, 86_400, NOW + 1), 0.0, 0
    for units in takes:
        decision = decide([Charge(rule, units)], {"d": value}, NOW)
        value = decision.values["d"]
        total += 0 if decision.refused else units
    assert total == value <= limit
    assert rule.remaining(value, NOW) == limit - total


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() - EPOCH


@pytest.mark.parametrize(
    ("period", "now", "key", "ends", "window_s"),
    [
        ("day", "2026-11-25T13:00:00", "k:2026-11-25", "2026-11-26", 86_400),
        ("day", "2026-12-31T23:59:59", "k:2026-12-31", "2027-01-01", 86_400),
        ("month", "2026-11-25T13:00:00", "k:2026-11-01", "2026-12-01", 30 * 86_400),
        ("month", "2026-12-01T00:00:00", "k:2026-12-01", "2027-01-01", 31 * 86_400),
        ("month", "2028-02-29T12:00:00", "k:2028-02-01", "2028-03-01", 29 * 86_400),
    ],
)
def test_calendar(period: str, now: str, key: str, ends: str, window_s: int) -> None:
    rule = quota("q", "k", "tokens", 5, period, at(now))  # type: ignore[arg-type]
    assert (rule.key, rule.ends_at, rule.window_s) == (key, at(ends), window_s)
    assert rule.wait_s(5.0, 1, at(now)) == at(ends) - at(now)
