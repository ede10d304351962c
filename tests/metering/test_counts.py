"""Sums add up in any order, and an unknown price is none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartypants.metering.counts import Bucket, Noted, Sums, spent, summed
from smartypants.metering.payer import Payer
from smartypants.metering.settings import Price
from smartypants.types import Usage

ANN = Payer("a" * 32, "ann", "k" * 16, "/v1/answers", "docs")
COSTS = st.one_of(st.none(), st.integers(0, 1000).map(float))
SUMS = st.builds(Sums, calls=st.integers(0, 9), prompt_tokens=st.integers(0, 99), cost=COSTS)


@settings(deadline=None)
@given(SUMS, SUMS, SUMS)
def test_in_any_order(one: Sums, two: Sums, three: Sums) -> None:
    assert (one + two) + three == one + (two + three)
    assert one + two == two + one
    assert one + Sums() == one


def test_unknown_costs_are_no_zeros() -> None:
    priced, unpriced = Usage("p", "m", 10, 5, cost=0.25), Usage("p", "m", 10, 5)
    assert Sums.of(unpriced).cost is None
    assert (Sums.of(unpriced) + Sums.of(unpriced)).cost is None
    both = Sums.of(unpriced) + Sums.of(priced)
    assert (both.cost, both.unpriced, both.calls) == (0.25, 1, 2)
    free = Sums.of(Usage("p", "m", 10, cost=0.0))
    assert (free.cost, free.unpriced) == (0.0, 0)


@pytest.mark.parametrize(
    ("price", "cost"),
    [
        (Price(prompt=2, completion=10), (100 * 2 + 30 * 10) / 1e6),
        (Price(prompt=2), None),
        (Price(completion=10), None),
        (Price(), None),
        (Price(prompt=0, completion=0), 0.0),
    ],
)
def test_prices(price: Price, cost: float | None) -> None:
    assert price.cost(Usage("p", "m", 100, 30)) == cost
    assert Price(prompt=3).cost(Usage("p", "embedder", 1_000_000)) == 3.0


def test_buckets_are_hours_of_a_payer() -> None:
    assert Bucket.at(7199.9, ANN, "p", "m") == Bucket.at(3600, ANN, "p", "m")
    assert Bucket.at(7200, ANN).hour == 7200
    noted = [Noted(ANN, Bucket.at(now, ANN), Sums(requests=1)) for now in (1, 2, 3600)]
    assert sorted(sums.requests for sums in summed(noted).values()) == [1, 2]


def test_tokens_are_spent_whatever_route_they_went() -> None:
    other = Payer(ANN.user_id, ANN.user_name, ANN.key_id, "/v1/chat/completions")
    noted = [
        Noted(ANN, Bucket.at(0, ANN), Sums(prompt_tokens=10, completion_tokens=3)),
        Noted(other, Bucket.at(0, other), Sums(prompt_tokens=5)),
        Noted(ANN, Bucket.at(0, ANN), Sums(requests=1)),
    ]
    assert spent(noted) == {Payer(ANN.user_id, "ann", ANN.key_id): 18}
