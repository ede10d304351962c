"""One call's way through the providers of a model: who is asked next, and when no one is."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from smartypants.errors import Overloaded, SetupError, SmartyPantsError, Unavailable
from smartypants.options.providers import BreakerSettings, RetrySettings
from smartypants.providers.breaker import CircuitBreaker
from smartypants.providers.budget import RetryBudget, pause_s

T = TypeVar("T")
Clock = Callable[[], float]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Health:
    """How a provider fares in this process: all calls of all its models share it."""

    breaker: CircuitBreaker
    budget: RetryBudget

    @classmethod
    def of(
        cls, retries: RetrySettings, breaker: BreakerSettings, clock: Clock = time.monotonic
    ) -> Health:
        return cls(
            CircuitBreaker(failures=breaker.failures, open_s=breaker.open_s, clock=clock),
            RetryBudget(ratio=retries.ratio, reserve=retries.reserve),
        )


@dataclass(slots=True)
class Provider(Generic[T]):
    """Who can be asked for a model; prices are per million tokens."""

    name: str
    plugin: T
    health: Health
    prompt_price: float | None = None
    completion_price: float | None = None
    rests_until: float = 0.0
    """It said Retry-After: it is left alone until then."""

    def cost(self, prompt_tokens: int, completion_tokens: int = 0) -> float | None:
        if self.prompt_price is None or (completion_tokens and self.completion_price is None):
            return None
        completion = completion_tokens * (self.completion_price or 0.0)
        return (prompt_tokens * self.prompt_price + completion) / 1e6


class Attempts(Generic[T]):
    """Rounds through all providers in order; a round after the first is for those whose error
    may pass, after a pause, and as far as their budgets reach.

    Ask `next` whom to call, then say `succeeded`, `failed` or `left`; where it gives None,
    wait for `pause_s`, which raises what there is to tell when there is no other round.
    """

    def __init__(
        self,
        providers: Sequence[Provider[T]],
        *,
        model: str,
        retries: RetrySettings,
        unavailable: type[Unavailable],
        patience_s: float,
        clock: Clock = time.monotonic,
    ) -> None:
        self.sent = 0
        self._all = providers
        self._model = model
        self._retries = retries
        self._unavailable = unavailable
        self._clock = clock
        self._until = clock() + patience_s
        self._round = 1
        self._waiting = deque(providers)
        self._tried: set[str] = set()
        self._errors: dict[str, SmartyPantsError] = {}

    @property
    def share_s(self) -> float | None:
        """What the one that was given last may take, so that those after it have as much; None
        where there are none."""
        if not self._waiting:
            return None
        return max(self._until - self._clock(), 0.0) / (len(self._waiting) + 1)

    def next(self) -> Provider[T] | None:
        """Whom to ask now; None where the round is over."""
        while self._waiting:
            provider = self._waiting.popleft()
            refusal = self._refusal(provider)
            if refusal is None:
                self._tried.add(provider.name)
                self.sent += 1
                return provider
            self._errors.setdefault(provider.name, refusal)
        return None

    def pause_s(self) -> float:
        """Seconds before the next round. Raises what came of it all if there is to be none."""
        again = [found for found in self._all if self._may_pass(found)]
        pause = pause_s(
            self._round,
            first_s=self._retries.first_pause_s,
            longest_s=self._retries.longest_pause_s,
        )
        now = self._clock()
        pause += min((max(found.rests_until - now, 0.0) for found in again), default=0.0)
        if not again or self._round == self._retries.rounds or now + pause > self._until:
            raise self._last_word()
        self._round += 1
        self._waiting = deque(again)
        return pause

    def began(self, provider: Provider[T]) -> None:
        """Its first token came, which is all that a trial is to show."""
        if provider.health.breaker.state == "half_open":
            provider.health.breaker.succeeded()

    def succeeded(self, provider: Provider[T]) -> None:
        provider.health.breaker.succeeded()

    def failed(self, provider: Provider[T], error: SmartyPantsError) -> None:
        """Raises the error where no other provider or try can help."""
        breaker = provider.health.breaker
        if isinstance(error, Unavailable) and not isinstance(error, Overloaded):
            breaker.failed()
        else:
            breaker.released()
        if not isinstance(error, (Unavailable, SetupError)):
            raise error
        if error.retry_after_s is not None:
            provider.rests_until = self._clock() + error.retry_after_s
        self._remember(provider, error)

    def late(self, provider: Provider[T]) -> None:
        """It used up its share of a caller's time, which may be little: no failure of its own."""
        provider.health.breaker.released()
        self._remember(provider, self._unavailable(f"{provider.name} did not begin in time."))

    def _remember(self, provider: Provider[T], error: SmartyPantsError) -> None:
        self._errors[provider.name] = error
        log.warning(
            "provider_failed",
            provider=provider.name,
            model=self._model,
            code=error.code,
            error=str(error),
            round=self._round,
            circuit=provider.health.breaker.state,
        )

    def left(self, provider: Provider[T]) -> None:
        """Whoever asked did not wait for the end."""
        provider.health.breaker.released()

    def _refusal(self, provider: Provider[T]) -> SmartyPantsError | None:
        """Why it can't be asked now; None where it can, which is paid for and counted."""
        rest = provider.rests_until - self._clock()
        if rest > 0:
            return _later(Overloaded(f"{provider.name} asked to be left alone."), rest)
        health = provider.health
        if not health.breaker.admit():
            error = self._unavailable(f"{provider.name} failed too often, and is left alone.")
            return _later(error, health.breaker.left_s)
        if provider.name not in self._tried:
            health.budget.deposit()
        elif not health.budget.withdraw():
            health.breaker.released()
            return self._unavailable(f"{provider.name} has no retries left.")
        return None

    def _may_pass(self, provider: Provider[T]) -> bool:
        error = self._errors.get(provider.name)
        if error is None or not error.retryable or provider.health.breaker.state == "open":
            return False
        return provider.name not in self._tried or not provider.health.budget.empty

    def _last_word(self) -> SmartyPantsError:
        errors = list(self._errors.values())
        chosen = next((found for found in errors if found.retryable), errors[0])
        known = [found.retry_after_s for found in errors if found.retry_after_s is not None]
        if len(errors) > 1:
            told = "; ".join(f"{name}: {found.message}" for name, found in self._errors.items())
            kind = type(chosen)
            if chosen.retryable and not all(isinstance(found, Overloaded) for found in errors):
                kind = self._unavailable
            chosen = kind(f"No provider of {self._model} answers. {told}", "Try again later.")
        chosen.retry_after_s = min(known, default=None)
        chosen.retried = True
        return chosen


def _later(error: SmartyPantsError, seconds: float) -> SmartyPantsError:
    error.retry_after_s = seconds
    return error
