"""An app over a real ledger, and each store of limits."""

from __future__ import annotations

import pytest

from smartypants.limits.store import LimitStore, MemoryLimits
from tests.api.conftest import backend, ledger_url, model_folder, services  # noqa: F401
from tests.limits.children import open_store
from tests.servers.redis import RedisServer


@pytest.fixture(params=["memory", "sqlite", "postgresql", "redis"])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest) -> str:
    if kind == "redis":
        server: RedisServer = request.getfixturevalue("redis")
        import redis

        redis.Redis(port=server.port).flushall()
        return server.url
    found: str = "" if kind == "memory" else request.getfixturevalue(f"{kind}_ledger")
    return found


@pytest.fixture
def store(kind: str, url: str) -> LimitStore:
    return MemoryLimits() if kind == "memory" else open_store(kind, url)
