"""Addresses that fail to authenticate: counted in every store, refused by every replica."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import httpx
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from actors.cluster import ENVIRONMENT
from smartypants.api.app import create_app
from smartypants.api.services import Services
from smartypants.limits.failures import FailureLimit
from smartypants.limits.settings import LimitSettings, Rate
from smartypants.limits.store import LimitStore, MemoryLimits
from smartypants.options.serving import HttpSettings
from tests.auth.conftest import key_of, required, served
from tests.limits.children import open_store
from tests.ports import free_port

WRONG = {"Authorization": "Bearer sp_0000000000000000_wrong"}
PROXIES = ("10.0.0.0/8",)
Replica = Callable[..., TestClient]


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def strict(services: Services, limit: int = 3) -> Services:
    """That refuse addresses which failed so often, and trust proxies in a network."""
    base = required(services)
    chosen = {
        "limits": LimitSettings.model_validate({"failures": {"limit": limit, "per_s": 3600}}),
        "http": HttpSettings.model_validate({"trusted_proxies": PROXIES}),
    }
    return replace(base, settings=base.settings.model_copy(update=chosen))


@pytest.fixture
def replica(services: Services) -> Iterator[Replica]:
    """Starts a replica for clients at an address."""
    with ExitStack() as stack:

        def start(address: str = "192.0.2.7", limit: int = 3) -> TestClient:
            app = create_app(strict(services, limit))
            return stack.enter_context(TestClient(app, client=(address, 5000)))

        yield start


def statuses(client: TestClient, count: int, **headers: str) -> list[int]:
    return [client.get("/v1/me", headers=WRONG | headers).status_code for _ in range(count)]


def test_every_store_gives_out_the_burst_once(store: LimitStore, kind: str, url: str) -> None:
    clock = Clock()
    stores = [store, store if kind == "memory" else open_store(kind, url)]
    limits = [FailureLimit(Rate(limit=6, per_s=60, burst=10), each, clock=clock) for each in stores]

    def fail(number: int) -> bool:
        return limits[number % 2].failed("192.0.2.7") is None

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(fail, range(40))) == {True: 10, False: 30}
    assert limits[0].failed("192.0.2.8") is None
    refused = limits[0].refusal("192.0.2.7")
    assert refused is not None
    assert refused.retry_after_s == 10.0
    clock.now += 10
    assert limits[0].refusal("192.0.2.7") is None
    assert [limits[1].failed("192.0.2.7") is None for _ in range(2)] == [True, False]


def test_replicas_refuse_after_the_burst(replica: Replica, services: Services) -> None:
    first, second = replica(), replica()
    assert statuses(first, 2) + statuses(second, 1) == [401] * 3
    assert statuses(second, 1) == [429]
    refused = first.get("/v1/me", headers=WRONG)
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "rate_limited"
    assert 1190 <= int(refused.headers["Retry-After"]) <= 1200
    ann = key_of(services.engine, "ann")
    assert first.get("/v1/me", headers=ann).status_code == 429  # nothing is looked at
    assert replica("192.0.2.8").get("/v1/me", headers=ann).status_code == 200


def test_what_counts(replica: Replica, services: Services) -> None:
    client, ann = replica(limit=3), key_of(services.engine, "ann")
    for _ in range(6):
        assert client.get("/v1/me", headers=ann).status_code == 200
        assert client.get("/v1/users", headers=ann).status_code == 403
        assert client.get("/healthz").status_code == 200
    assert client.get("/v1/me").status_code == 401  # nothing said
    assert statuses(client, 1) == [401]
    with client.websocket_connect("/v1/chat", headers=WRONG) as chat:
        assert chat.receive_json()["problem"]["code"] == "credentials_invalid"
        with pytest.raises(WebSocketDisconnect) as closed:
            chat.receive_json()
    assert closed.value.code == 4401
    assert statuses(client, 1) == [429]
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/v1/chat", headers=ann):
        pass


def test_proxies_that_are_trusted_say_whose_request_it_is(replica: Replica) -> None:
    proxy, stranger = replica("10.1.2.3"), replica("198.51.100.9")
    assert statuses(proxy, 4, **{"X-Forwarded-For": "192.0.2.1"}) == [401, 401, 401, 429]
    spoofed = {"X-Forwarded-For": "203.0.113.5, 192.0.2.1, 10.9.9.9"}  # its client wrote the first
    assert statuses(proxy, 1, **spoofed) == [429]
    assert statuses(proxy, 1, **{"X-Forwarded-For": "192.0.2.2"}) == [401]
    for number in range(3):
        assert statuses(stranger, 1, **{"X-Forwarded-For": f"192.0.2.{number + 50}"}) == [401]
    assert statuses(stranger, 1, **{"X-Forwarded-For": "192.0.2.99"}) == [429]


def test_uvicorn_believes_no_header_by_itself(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left alone, it takes the header's address for the client's if it comes over the loopback."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", ENVIRONMENT["FORWARDED_ALLOW_IPS"])
    with served(strict(services), free_port()) as url, httpx.Client(base_url=url) as client:
        claims = [{"X-Forwarded-For": f"192.0.2.{number}"} for number in range(4)]
        seen = [client.get("/v1/me", headers=WRONG | claim).status_code for claim in claims]
    assert seen == [401, 401, 401, 429]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("/run/socket", "/run/socket", True),
    ],
)
def test_whose_addresses_are_one(first: str, second: str, same: bool) -> None:
    limit = FailureLimit(Rate(limit=1), MemoryLimits())
    assert limit.failed(first) is None
    assert (limit.failed(second) is not None) is same


def test_off_by_default(services: Services) -> None:
    with TestClient(create_app(required(services))) as client:
        assert statuses(client, 50) == [401] * 50
