"""What child processes do: they import no more than they need."""

from __future__ import annotations

import random

from smartypants.ledger import usage
from smartypants.ledger.database import connect
from smartypants.metering.counts import Bucket, Sums
from smartypants.metering.payer import Payer

EACH = 20
USERS = "abcdefgh"


def add(url: str, process: int, now: float) -> None:
    """To the same rows as the others, each time in another order."""
    engine, chance = connect(url), random.Random(process)
    users = list(USERS)
    for _ in range(EACH):
        chance.shuffle(users)
        sums = Sums(calls=1, cost=0.5)
        usage.add(engine, {Bucket.at(now, Payer(user), "p", "m"): sums for user in users})
    engine.dispose()
