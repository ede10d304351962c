"""The retry budget."""

from __future__ import annotations

from smartypants.providers.budget import RetryBudget, pause_s


def test_reserve_then_a_share_of_the_requests() -> None:
    budget = RetryBudget(ratio=0.1, reserve=10)
    retries = 0
    for _ in range(1_000):  # each of them fails, and would be tried again
        budget.deposit()
        retries += budget.withdraw()
    assert 100 <= retries <= 110


def test_it_saves_no_more_than_the_reserve() -> None:
    budget = RetryBudget(ratio=0.5, reserve=2)
    for _ in range(100):
        budget.deposit()
    assert [budget.withdraw() for _ in range(3)] == [True, True, False]
    assert budget.empty


def test_pauses_double_up_to_the_longest() -> None:
    for retry, most in ((1, 0.25), (2, 0.5), (3, 1.0), (9, 8.0)):
        pauses = [pause_s(retry, first_s=0.25, longest_s=8.0) for _ in range(200)]
        assert 0 <= min(pauses) < max(pauses) <= most
        assert len(set(pauses)) > 100
