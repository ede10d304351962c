"""Each store decides as `rules.decide` does, in one step for all processes."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from smartypants.ledger.database import connect, reading
from smartypants.ledger.limits import LedgerLimits
from smartypants.ledger.limits_schema import limits
from smartypants.limits import redis as limits_redis
from smartypants.limits.redis import RedisLimits
from smartypants.limits.rules import Charge, Quota, Rate, Rule
from smartypants.limits.store import LimitStore, MemoryLimits
from tests.limits.children import TRIES, open_store, take
from tests.ports import free_port
from tests.servers.redis import RedisServer, redis_server

NOW = 30_000_000.25
PROCESSES = 4
RULES: list[Rule] = [
    Rate("a", "a", "requests", 7, 60, 5),
    Rate("b", "b", "tokens", 1_000_000, 60, 1_000_000),
    Rate("c", "c", "documents", 3, 1, 10),
    Quota("d", "d", "requests", 20, 86_400, NOW + 50_000),
    Quota("e", "e", "tokens", 500_000, 86_400, NOW + 50_000),
]


def test_it_decides_as_it_should(store: LimitStore) -> None:
    """The same as in memory, to the last bit, over a random history."""
    chance, model, now = random.Random(20261125), MemoryLimits(), NOW
    refused = 0
    for _ in range(300):
        now += chance.choice([0.0, 0.001, 0.5, 3.0, 20.0])
        charges = [
            Charge(
                rule,
                chance.choice([0, 1, 2, 5, 40_000] if rule.unit == "tokens" else [0, 1, 2]),
                chance.choice(["take", "test", "debit"]),  # type: ignore[arg-type]
            )
            for rule in chance.sample(RULES, chance.randint(1, len(RULES)))
        ]
        wanted, got = model.apply(charges, now), store.apply(charges, now)
        assert got.refused == wanted.refused
        for charge in charges:
            rule, key = charge.rule, charge.rule.key
            for units in (1, 3):  # of what has expired a store may say 0
                assert rule.wait_s(got.values[key], units, now) == pytest.approx(
                    rule.wait_s(wanted.values[key], units, now),
                    abs=1e-6,
                )
            left = rule.remaining(wanted.values[key], now)
            assert rule.remaining(got.values[key], now) == left
        refused += bool(wanted.refused)
    assert 50 < refused < 250


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "redis"], indirect=True)
@pytest.mark.parametrize(
    "rule",
    [
        Rate("r", "r", "requests", 60, 60, 100),
        Quota("q", "q", "documents", 100, 86_400, NOW + 9e6),
    ],
    ids=["rate", "quota"],
)
def test_processes_at_once_never_take_more(kind: str, url: str, rule: Rule) -> None:
    far = Quota("far", "far", "requests", 10**6, 86_400, NOW + 9e6)
    arguments = (kind, url, [rule, far], NOW)
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        taken = pool.starmap(take, [arguments] * PROCESSES)
    assert PROCESSES * TRIES > 100
    assert sum(taken) == 100  # of both: where one was refused, the other was not taken
    last = open_store(kind, url).apply([Charge(far, 0, "test")], NOW)
    assert last.values["far"] == 100


def test_debits_add_up(store: LimitStore) -> None:
    rule = Quota("q", "q", "tokens", 100, 86_400, NOW + 9e6)
    for _ in range(5):
        store.apply([Charge(rule, 30, "debit")], NOW)
    assert store.apply([Charge(rule, 1, "test")], NOW).values["q"] == 150


def test_the_ledger_forgets_what_has_come_back(either_ledger: str) -> None:
    store, engine = LedgerLimits(connect(either_ledger)), connect(either_ledger)
    soon, late = Rate("r", "r", "requests", 60, 60, 100), Quota("q", "q", "tokens", 9, 9, NOW + 99)
    store.apply([Charge(soon, 30), Charge(late, 1)], NOW)
    count = select(func.count()).select_from(limits)
    with reading(engine) as connection:
        store.forget(NOW + 29)
        assert connection.execute(count).scalar() == 2
        store.forget(NOW + 31)
        assert connection.execute(count).scalar() == 1
    assert store.apply([Charge(soon, 100)], NOW + 31).refused == ()
    engine.dispose()


def test_memory_forgets_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smartypants.limits.store.MOST_KEYS", 10)
    store = MemoryLimits()
    for number in range(20):
        store.apply([Charge(Rate("r", f"k{number}", "requests", 60, 60, 5), 1)], NOW + 10 * number)
    assert len(store._values) <= 11


@pytest.fixture
def own() -> Iterator[RedisServer]:
    """A server that the test may stop."""
    with redis_server(free_port()) as server:
        yield server


@pytest.mark.integration
@pytest.mark.parametrize("how", ["stop", "freeze"])
def test_without_redis_each_replica_limits_by_itself(
    own: RedisServer, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits_redis, "PAUSE_S", 60.0)
    rule = Rate("r", "r", "requests", 1, 3600, 5)
    replicas = [RedisLimits(url=own.url, timeout_s=2.0) for _ in range(2)]
    assert not replicas[0].apply([Charge(rule, 3)], NOW).refused
    getattr(own, how)()
    started = time.monotonic()
    for replica in replicas:
        taken = sum(not replica.apply([Charge(rule, 1)], NOW).refused for _ in range(20))
        assert taken == 5  # neither nothing nor everything
    assert time.monotonic() - started < 60


@pytest.mark.integration
def test_redis_that_is_back_decides_again(
    own: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits_redis, "PAUSE_S", 0.1)
    rule = Rate("r", "r", "requests", 1, 3600, 5)
    store = RedisLimits(url=own.url, timeout_s=10.0)
    own.stop()
    assert not store.apply([Charge(rule, 5)], NOW).refused
    assert store.apply([Charge(rule, 1)], NOW).refused
    own.start()
    time.sleep(0.15)
    assert not store.apply([Charge(rule, 5)], NOW).refused
    store.close()
