"""A real Redis: what it keeps, and that its absence is a miss and nothing worse."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from smartypants.caching import redis as caching_redis
from smartypants.caching.counters import CacheCounters
from smartypants.caching.redis import RedisStore
from smartypants.errors import SetupError
from tests.canaries import canary
from tests.ports import free_port
from tests.servers.redis import RedisServer, redis_server

pytestmark = pytest.mark.integration
PASSWORD = canary("opensesame")
TIMEOUT_S = 0.05


@pytest.fixture
def own() -> Iterator[RedisServer]:
    """A server that the test may stop."""
    with redis_server(free_port()) as server:
        yield server


def store(server: RedisServer, counters: CacheCounters | None = None, **more: object) -> RedisStore:
    chosen = {"ttl_s": 60.0, "timeout_s": TIMEOUT_S, "counters": counters or CacheCounters()}
    return RedisStore(url=server.url, **(chosen | more))  # type: ignore[arg-type]


def failures(counters: CacheCounters) -> float:
    value: float = counters.errors.labels("redis")._value.get()
    return value


def test_replicas_share_what_is_kept(redis: RedisServer) -> None:
    async def share() -> None:
        one, other = store(redis, timeout_s=10.0), store(redis, timeout_s=10.0)
        assert await other.get("share") is None
        await one.put("share", b"\x00bytes")
        assert await other.get("share") == b"\x00bytes"
        await one.close()
        await other.close()

    asyncio.run(share())


def test_it_is_forgotten_after_its_time(redis: RedisServer) -> None:
    async def wait() -> None:
        kept = store(redis, ttl_s=2.0, timeout_s=10.0)
        await kept.put("short", b"x")
        assert await kept.get("short") == b"x"
        await asyncio.sleep(2.5)
        assert await kept.get("short") is None
        await kept.close()

    asyncio.run(wait())


@pytest.mark.parametrize("how", ["stop", "freeze"])
def test_server_that_is_away_is_a_miss_in_bounded_time(own: RedisServer, how: str) -> None:
    counters = CacheCounters()

    async def ask() -> None:
        kept = store(own, counters)
        deadline = time.monotonic() + 10
        while await kept.get("warm") is None:  # a busy machine may take a while to connect
            assert time.monotonic() < deadline
            await kept.put("warm", b"x")
        before = failures(counters)
        getattr(own, how)()
        assert await asyncio.wait_for(kept.get("warm"), 10) is None  # one that hangs never ends
        assert failures(counters) == before + 1
        # For a while it is not even asked.
        for _ in range(20):
            assert await kept.get("warm") is None
            await kept.put("warm", b"y")
        assert failures(counters) == before + 1
        await kept.close()

    asyncio.run(ask())


def test_server_that_is_back_is_used_again(
    own: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching_redis, "PAUSE_S", 0.1)

    async def ask() -> None:
        kept = store(own, timeout_s=10.0)
        own.stop()
        await kept.put("back", b"x")
        own.start()
        await asyncio.sleep(0.15)
        await kept.put("back", b"x")
        assert await kept.get("back") == b"x"
        await kept.close()

    asyncio.run(ask())


def test_password_by_reference(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n")
    with redis_server(free_port(), password=PASSWORD) as server:

        async def ask(**more: object) -> bytes | None:
            kept = store(server, timeout_s=10.0, **more)
            await kept.put("locked", b"x")
            found = await kept.get("locked")
            await kept.close()
            return found

        assert asyncio.run(ask()) is None
        assert asyncio.run(ask(password=f"file:{secret}")) == b"x"
        with pytest.raises(SetupError, match="NO_SUCH_VARIABLE"):
            store(server, password="env:NO_SUCH_VARIABLE")
