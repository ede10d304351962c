"""Counts what is used, for the ledger and for the budgets of tokens; nobody waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

import structlog
from sqlalchemy import Engine

from smartypants.batching import BatchWriter
from smartypants.errors import Overloaded
from smartypants.ledger import usage as ledger_usage
from smartypants.limits.limiter import Limiter
from smartypants.metering.counts import Bucket, Noted, Sums, spent, summed
from smartypants.metering.payer import Payer
from smartypants.metering.settings import MeteringSettings
from smartypants.types import Usage

PAUSE_S = 0.5
"""What a process that is killed has counted for so long, and not written, is lost."""
MOST_WAITING = 50_000

log = structlog.get_logger(__name__)


class Meter:
    """One of it in each process that uses something up.

    >>> meter = Meter(settings.metering, engine)
    >>> meter.called(payer, usage)
    """

    def __init__(
        self,
        settings: MeteringSettings,
        engine: Engine,
        *,
        limiter: Limiter | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._limiter = limiter
        self._clock = clock
        self._writer = BatchWriter(self._write, name="metering", most=MOST_WAITING, pause_s=PAUSE_S)

    def requested(self, payer: Payer) -> None:
        self._note(payer, "", "", Sums(requests=1))

    def called(self, payer: Payer, usage: Usage) -> None:
        """A call of a language model."""
        priced = self.priced(usage)
        self._note(payer, usage.provider, usage.model, Sums.of(priced))

    def embedded(self, payer: Payer, usage: Usage, count: int) -> None:
        """So many texts that were embedded."""
        priced = self.priced(usage)
        self._note(payer, usage.provider, usage.model, Sums.of(priced, embeddings=count))

    def priced(self, usage: Usage) -> Usage:
        """With the settings' price of the model, if they have one."""
        price = self._settings.prices.get(usage.model)
        return usage if price is None else replace(usage, cost=price.cost(usage))

    def close(self) -> None:
        self._writer.close()

    def _note(self, payer: Payer, provider: str, model: str, sums: Sums) -> None:
        if not self._settings.on and self._limiter is None:
            return
        bucket = Bucket.at(self._clock(), payer, provider, model)
        try:
            self._writer.put(Noted(payer, bucket, sums))
        except Overloaded:  # the ledger has been away for long: the log has what is lost
            log.error("usage_lost", **asdict(bucket), **asdict(sums))

    def _write(self, noted: Sequence[Noted]) -> None:
        if self._settings.on:
            ledger_usage.add(self._engine, summed(noted))
        if self._limiter is not None:
            self._limiter.debit(spent(noted))
