"""Rates and quotas in the ledger: one transaction a decision, so replicas can't both take the
last unit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Engine, delete, select, update

from smartypants.ledger.database import BATCH, upsert
from smartypants.ledger.limits_schema import limits
from smartypants.limits.rules import Charge, Decision, decide

FORGET_EVERY_S: Final = 600.0


class LedgerLimits:
    """A `LimitStore`. Raises `LedgerUnavailable`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._forgot_at = time.monotonic()

    def apply(self, charges: Sequence[Charge], now: float) -> Decision:
        keys = sorted({charge.rule.key for charge in charges})
        if not keys:
            return Decision({}, ())
        rows = [{"key": key, "value": 0.0, "expires_at": now} for key in keys]
        mine = select(limits.c.key, limits.c.value).where(limits.c.key.in_(keys))
        with self._engine.begin() as connection:
            connection.execute(upsert(self._engine, limits, rows))
            found = connection.execute(mine.order_by(limits.c.key).with_for_update())
            before = {row.key: float(row.value) for row in found}
            decision = decide(charges, before, now)
            for charge in sorted(charges, key=lambda each: each.rule.key):
                key, value = charge.rule.key, decision.values[charge.rule.key]
                if value != before[key]:
                    ends = charge.rule.expires_at(value, now)
                    changed = update(limits).where(limits.c.key == key)
                    connection.execute(changed.values(value=value, expires_at=ends))
        if time.monotonic() - self._forgot_at > FORGET_EVERY_S:
            self.forget(now)
        return decision

    def forget(self, now: float) -> None:
        """Remove rows that are as if they were not there; what somebody is at work on waits."""
        self._forgot_at = time.monotonic()
        gone = select(limits.c.key).where(limits.c.expires_at < now).limit(BATCH)
        with self._engine.begin() as connection:
            keys = list(connection.execute(gone.with_for_update(skip_locked=True)).scalars())
            connection.execute(delete(limits).where(limits.c.key.in_(keys)))
