from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartypants.errors import ValidationFailed
from smartypants.prompts.shares import Share, assigned, check, unit
from smartypants.types import Message, Query

HALVES = (Share("a", 0.5), Share("b", 0.5))


@pytest.mark.parametrize(
    "shares",
    [
        (),
        (Share("a", 0.5),),
        (Share("a", 0.5), Share("b", 0.6)),
        (Share("a", 0.5), Share("a", 0.5)),
        (Share("a", 1.0), Share("b", 0.0)),
        (Share("a", 2.0), Share("b", -1.0)),
        (Share("a", float("nan")),),
        tuple(Share(str(i), 1 / 11) for i in range(11)),
    ],
)
def test_bad_shares(shares: tuple[Share, ...]) -> None:
    with pytest.raises(ValidationFailed):
        check(shares)


def test_good_shares() -> None:
    check(HALVES)
    check(tuple(Share(str(i), 0.1) for i in range(10)))


@given(st.text(), st.text())
def test_the_same_caller_gets_the_same(experiment: str, who: str) -> None:
    first = assigned(HALVES, experiment=experiment, unit=who)
    assert first == assigned(HALVES, experiment=experiment, unit=who)
    assert assigned((Share("a", 1.0),), experiment=experiment, unit=who) == "a"


def test_shares_are_kept_and_experiments_are_independent() -> None:
    shares = (Share("a", 0.2), Share("b", 0.8))
    units = [f"user:{i}" for i in range(5_000)]
    one = Counter(assigned(shares, experiment="1", unit=name) for name in units)
    assert 0.17 < one["a"] / len(units) < 0.23
    both = sum(
        assigned(HALVES, experiment="1", unit=name) == assigned(HALVES, experiment="2", unit=name)
        for name in units
    )
    assert 0.45 < both / len(units) < 0.55


def test_who_counts_as_one() -> None:
    named = Query("q", "docs", principals=("public", "group:x", "user:ann"))
    assert unit(named) == "user:ann"
    first = Query("Who is  Ann?", "docs")
    later = Query("And Bob?", "docs", history=(Message("user", "Who is Ann?"),))
    assert unit(first) == unit(later) == "Who is Ann?"
    assert unit(Query("Who is Bob?", "docs")) != unit(first)
