"""The circuit breaker, by a clock of ours."""

from __future__ import annotations

from smartypants.providers.breaker import CircuitBreaker


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock) -> CircuitBreaker:
    breaker = CircuitBreaker(failures=3, open_s=30.0, clock=clock)
    for _ in range(3):
        assert breaker.admit()
        breaker.failed()
    return breaker


def test_opens_after_failures_in_a_row() -> None:
    breaker = CircuitBreaker(failures=3, open_s=30.0, clock=Clock())
    for outcome in (breaker.failed, breaker.failed, breaker.succeeded, breaker.failed):
        assert breaker.admit()
        outcome()
    assert (breaker.state, breaker.left_s) == ("closed", 0.0)
    breaker.failed()
    assert breaker.admit()
    breaker.failed()
    assert (breaker.state, breaker.left_s) == ("open", 30.0)
    assert not breaker.admit()


def test_one_trial_at_a_time() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now = 29.9
    assert not breaker.admit()
    clock.now = 30.0
    assert breaker.state == "half_open"
    assert breaker.admit()
    assert not breaker.admit()


def test_trial_decides() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now = 30.0
    assert breaker.admit()
    breaker.failed()
    assert (breaker.state, breaker.left_s) == ("open", 30.0)
    clock.now = 60.0
    assert breaker.admit()
    breaker.succeeded()
    assert breaker.state == "closed"
    assert breaker.admit()
    assert breaker.admit()


def test_trial_that_tells_nothing_lets_another_try() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now = 30.0
    assert breaker.admit()
    breaker.released()
    assert breaker.state == "half_open"
    assert breaker.admit()


def test_late_success_of_before_does_not_close_it() -> None:
    breaker = opened(Clock())
    breaker.succeeded()
    assert breaker.state == "open"
