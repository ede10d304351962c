"""Builds from the settings what limits and counts what callers use."""

from __future__ import annotations

from sqlalchemy import Engine

from smartypants import wiring
from smartypants.ledger.limits import LedgerLimits
from smartypants.limits.failures import FailureLimit
from smartypants.limits.limiter import Limiter
from smartypants.limits.redis import RedisLimits
from smartypants.limits.store import LimitStore
from smartypants.metering.embedding import MeteredEmbedder
from smartypants.metering.meter import Meter
from smartypants.settings import Settings


def make_limiter(settings: Settings, engine: Engine) -> Limiter | None:
    """None where nothing is limited. Redis keeps the counts where it is the cache, or else the
    ledger does. Raises `SetupError` where Redis's client or secret is not there."""
    if not settings.limits.any:
        return None
    return Limiter(settings.limits, _store(settings, engine))


def make_failure_limit(settings: Settings, engine: Engine) -> FailureLimit | None:
    """None where failures are not limited; else the same as `make_limiter`."""
    rate = settings.limits.failures
    return None if rate is None else FailureLimit(rate, _store(settings, engine))


def _store(settings: Settings, engine: Engine) -> LimitStore:
    if settings.cache.kind != "redis":
        return LedgerLimits(engine)
    assert settings.cache.url is not None
    return RedisLimits(
        url=settings.cache.url,
        password=settings.cache.password,
        timeout_s=settings.limits.timeout_s,
    )


def make_meter(settings: Settings, engine: Engine) -> Meter:
    """Of a process that uses models; it debits budgets of tokens too."""
    return Meter(settings.metering, engine, limiter=make_limiter(settings, engine))


def make_metered_embedder(settings: Settings, meter: Meter, *, workers: int = 1) -> MeteredEmbedder:
    """The same as `wiring.make_embedder`, on the accounts of those who ask."""
    return MeteredEmbedder(
        lambda note: wiring.make_embedder(settings, workers=workers, note=note),
        meter,
        provider=settings.embedder.kind,
    )
