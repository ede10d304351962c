"""What was used, in buckets of an hour: sums that can be added up in any order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Final

from smartypants.ledger.jobs import Job
from smartypants.metering.payer import Payer
from smartypants.types import Usage

HOUR_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Bucket:
    """What sums are kept by. `hour` is its beginning in Unix seconds; empty: does not apply."""

    hour: int
    user_id: str
    key_id: str
    route: str
    collection: str
    provider: str = ""
    model: str = ""

    @classmethod
    def at(cls, now: float, payer: Payer, provider: str = "", model: str = "") -> Bucket:
        hour = int(now) // HOUR_S * HOUR_S
        return cls(
            hour, payer.user_id, payer.key_id, payer.route, payer.collection, provider, model
        )


@dataclass(frozen=True, slots=True)
class Sums:
    """`calls` are of models. `cost` is of those whose price is known, None where none is;
    `unpriced` are the others. `estimated` are those whose tokens nobody told us."""

    requests: int = 0
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    embeddings: int = 0
    documents: int = 0
    unpriced: int = 0
    estimated: int = 0
    cost: float | None = None

    def __add__(self, other: Sums) -> Sums:
        values = {
            name: getattr(self, name) + getattr(other, name) for name in COUNTS
        }  # cost is no count
        known = [cost for cost in (self.cost, other.cost) if cost is not None]
        return Sums(**values, cost=sum(known) if known else None)

    @classmethod
    def of(cls, usage: Usage, *, embeddings: int = 0) -> Sums:
        """One call."""
        return cls(
            calls=1,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            embeddings=embeddings,
            unpriced=int(usage.cost is None),
            estimated=int(usage.estimated),
            cost=usage.cost,
        )


COUNTS: Final = tuple(item.name for item in fields(Sums) if item.name != "cost")


def payer_of(job: Job) -> Payer:
    """What a job uses is on the account of whoever submitted it; its route is its kind."""
    return Payer(job.submitted_by or "", route=job.kind, collection=job.collection)


@dataclass(frozen=True, slots=True)
class Noted:
    """Something that was used, once; the payer is known by name too."""

    payer: Payer
    bucket: Bucket
    sums: Sums


def summed(noted: Iterable[Noted]) -> dict[Bucket, Sums]:
    found: dict[Bucket, Sums] = {}
    for each in noted:
        found[each.bucket] = found.get(each.bucket, Sums()) + each.sums
    return found


def spent(noted: Iterable[Noted]) -> dict[Payer, int]:
    """Tokens of language models, of whoever has limits of them."""
    found: dict[Payer, int] = {}
    for each in noted:
        tokens = each.sums.prompt_tokens + each.sums.completion_tokens
        if tokens:
            payer = replace(each.payer, route="", collection="")
            found[payer] = found.get(payer, 0) + tokens
    return found
