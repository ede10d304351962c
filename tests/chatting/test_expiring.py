"""When conversations expire; what is removed is tested with the ledger."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import Engine

from smartypants.chatting.expiring import DAY_S, EVERY_S, Expiry
from smartypants.chatting.settings import ChatSettings
from smartypants.ledger import conversations
from tests.ledger.test_conversations import begin


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def count(engine: Engine) -> int:
    return len(conversations.page(engine, "ann", limit=10))


def test_days_after_the_last_question(engine: Engine, clock: Clock) -> None:
    begin(engine, "a")
    expiry = Expiry(engine, ChatSettings(keep_days=2), clock)
    clock.now += 2 * DAY_S - 60
    assert (expiry.work(), count(engine)) == (0, 1)
    clock.now += 120
    assert (expiry.work(), count(engine)) == (0, 1)  # it has just looked
    clock.now += EVERY_S
    assert (expiry.work(), count(engine)) == (1, 0)
    assert expiry.work() == 0


def test_zero_keeps_them(engine: Engine, clock: Clock) -> None:
    begin(engine, "a")
    clock.now += 10_000 * DAY_S
    assert Expiry(engine, ChatSettings(keep_days=0), clock).work() == 0
    assert count(engine) == 1
    assert Expiry(engine, ChatSettings(), clock).work() == 1  # a default that removes
