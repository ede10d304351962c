"""Sums in both databases: added up by several at once, and asked for by whatever groups."""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from smartypants.errors import Unavailable
from smartypants.ledger import commits, usage
from smartypants.ledger.commits import Failed, Indexed
from smartypants.ledger.usage import GROUPS, Group, Wanted
from smartypants.metering.counts import Bucket, Sums
from smartypants.metering.payer import NOBODY, Payer
from tests.ledger.conftest import Source
from tests.metering.children import EACH, USERS, add

PROCESSES = 4
NOON = datetime(2026, 11, 30, 12, 30, tzinfo=UTC).timestamp()


def filled(engine: Engine) -> Counter[tuple[str, ...]]:
    """Random rows; prompt tokens by all that one can group by."""
    chance = random.Random(7)
    wanted: Counter[tuple[str, ...]] = Counter()
    for _ in range(150):
        now = NOON + chance.choice([-86_400, -3600, 0, 86_400, 3 * 86_400])
        payer = Payer(
            chance.choice("ab"), "", chance.choice(["", "k"]), chance.choice(["/v1/x", "/v1/y"]),
            chance.choice(["c1", "c2"]),
        )  # fmt: skip
        bucket = Bucket.at(now, payer, "p", chance.choice(["m1", "m2"]))
        tokens = chance.randint(1, 100)
        usage.add(engine, {bucket: Sums(calls=1, prompt_tokens=tokens)})
        moment = datetime.fromtimestamp(bucket.hour, UTC)
        key = (
            f"{moment:%Y-%m-%dT%H:00Z}", f"{moment:%Y-%m-%d}", f"{moment:%Y-%m}", payer.user_id,
            payer.key_id, payer.collection, payer.route, "p", bucket.model,
        )  # fmt: skip
        wanted[key] += tokens
    return wanted


@pytest.mark.parametrize(
    "by", [(), ("day",), ("month",), ("hour", "model"), ("user", "key", "collection"), GROUPS]
)
def test_groups(engine: Engine, by: tuple[Group, ...]) -> None:
    wanted: Counter[tuple[str, ...]] = Counter()
    places = [GROUPS.index(name) for name in by]
    for key, tokens in filled(engine).items():
        wanted[tuple(key[place] for place in places)] += tokens
    found = usage.totals(engine, Wanted(), by, limit=1000)
    assert {each.group: each.sums.prompt_tokens for each in found} == dict(wanted)
    assert sum(each.sums.calls for each in found) == 150
    pages, after = [], None
    while page := usage.totals(engine, Wanted(), by, after=after, limit=3):
        pages += page
        after = page[-1].group
        if not by:
            break
    assert pages == found == list(usage.every(engine, Wanted(), by))


def test_filters(engine: Engine) -> None:
    rows = filled(engine)

    def tokens(**wanted: object) -> int:
        found = usage.totals(engine, Wanted(**wanted), (), limit=1)  # type: ignore[arg-type]
        return found[0].sums.prompt_tokens if found else 0

    def expected(place: int, value: str) -> int:
        return sum(count for key, count in rows.items() if key[place] == value)

    assert tokens(user_id="a") == expected(3, "a")
    assert tokens(key_id="k") == expected(4, "k")
    assert tokens(collection="c1") == expected(5, "c1")
    assert tokens(route="/v1/x") == expected(6, "/v1/x")
    assert tokens(model="m2") == expected(8, "m2")
    assert tokens(provider="other") == 0
    day = datetime(2026, 11, 30, tzinfo=UTC).timestamp()
    assert tokens(since=day, until=day + 86_400) == expected(1, "2026-11-30")
    assert tokens(until=day) == expected(1, "2026-11-29")
    assert tokens() == rows.total()


def test_nothing_is_no_row(engine: Engine) -> None:
    assert usage.totals(engine, Wanted(), (), limit=5) == []
    usage.add(engine, {})


def test_costs_that_become_known(engine: Engine) -> None:
    bucket = Bucket.at(NOON, Payer("a"), "p", "m")
    costs = []
    for cost in (None, None, 0.5, None, 0.25):
        usage.add(engine, {bucket: Sums(calls=1, unpriced=int(cost is None), cost=cost)})
        [total] = usage.totals(engine, Wanted(), (), limit=1)
        costs.append((total.sums.cost, total.sums.unpriced))
    assert costs == [(None, 1), (None, 2), (0.5, 2), (0.5, 3), (0.75, 3)]


def test_processes_at_once_lose_nothing(engine: Engine, either_ledger: str) -> None:
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        pool.starmap(add, [(either_ledger, number, NOON) for number in range(PROCESSES)])
    found = usage.totals(engine, Wanted(), ("user",), limit=100)
    assert [each.group for each in found] == [(user,) for user in USERS]
    assert {each.sums.calls for each in found} == {PROCESSES * EACH}
    assert {each.sums.cost for each in found} == {PROCESSES * EACH * 0.5}


@pytest.mark.parametrize("payer", [Payer("a", route="ingest", collection="docs"), NOBODY])
def test_documents_are_counted_with_their_commit(source: Source, payer: Payer) -> None:
    engine = source.engine
    source.list("a.md", "b.md", "c.md")
    done = [Indexed(source.id_of(name), "v1", name, 2) for name in ("a.md", "b.md")]
    bad = [Failed(source.id_of("c.md"), "document_unreadable", "It is damaged.", False)]
    commits.commit(engine, "docs", done, bad, payer=payer)
    with pytest.raises(Unavailable):  # searches use another collection by now
        commits.commit(engine, "docs", done, [], physical="former", payer=payer)
    found = usage.totals(engine, Wanted(), ("user", "route", "collection"), limit=5)
    counted = [(each.group, each.sums.documents) for each in found]
    assert counted == ([] if payer == NOBODY else [(("a", "ingest", "docs"), 2)])
