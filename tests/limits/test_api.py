"""429, `Retry-After` and the standard headers; each user and key by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from smartypants import accounting
from smartypants.api.app import create_app
from smartypants.api.services import Services
from smartypants.auth.roles import Role
from smartypants.ledger import users
from smartypants.limits.settings import LimitSettings
from smartypants.metering.payer import Payer
from tests.auth.conftest import key_of, required

SEARCHED = {"query": "notice period"}
ITEM = re.compile(r'"([a-z-]+)"((?:;[a-z-]+=(?:[0-9]+|"[a-z]+"))*)')
Opened = Callable[..., TestClient]


@pytest.fixture
def opened(services: Services) -> Iterator[Opened]:
    """Makes clients of apps with these limits."""
    clients: list[TestClient] = []

    def make(*, open_to_all: bool = False, **limits: Any) -> TestClient:
        asked = services if open_to_all else required(services)
        chosen = {"limits": LimitSettings.model_validate(limits)}
        settings = asked.settings.model_copy(update=chosen)
        client = TestClient(create_app(replace(asked, settings=settings)))
        clients.append(client.__enter__())
        return client

    yield make
    for client in clients:
        client.__exit__(None, None, None)


def parsed(field: str) -> dict[str, dict[str, str]]:
    """A structured list of strings with parameters (RFC 9651), as these fields have it."""
    found = {}
    for item in field.split(", "):
        match = ITEM.fullmatch(item)
        assert match is not None, item
        pairs = (each.split("=") for each in match[2].split(";")[1:])
        found[match[1]] = {name: value.strip('"') for name, value in pairs}
    return found


def test_requests_of_a_user_by_whatever_key(opened: Opened, services: Services) -> None:
    client = opened(user={"requests": {"limit": 3, "per_s": 3600}})
    one, other = key_of(services.engine, "ann"), key_of(services.engine, "ann")
    bob = key_of(services.engine, "bob")
    for left, headers in ((2, one), (1, other), (0, one)):
        response = client.get("/v1/me", headers=headers)
        assert response.status_code == 200
        assert parsed(response.headers["RateLimit-Policy"]) == {
            "user-requests": {"q": "3", "w": "3600"}
        }
        assert parsed(response.headers["RateLimit"])["user-requests"]["r"] == str(left)
    refused = client.get("/v1/me", headers=other)
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "rate_limited"
    standing = parsed(refused.headers["RateLimit"])["user-requests"]
    assert standing["r"] == "0"
    assert 1190 <= int(standing["t"]) <= int(refused.headers["Retry-After"]) <= 1200
    assert client.get("/v1/me", headers=bob).status_code == 200


def test_a_key_has_limits_of_its_own(opened: Opened, services: Services) -> None:
    one, other = key_of(services.engine, "ann"), key_of(services.engine, "ann")
    key_id = other["Authorization"].split("_")[1]
    client = opened(
        key={"requests": {"limit": 1, "per_s": 3600}},
        keys={key_id: {"requests": {"limit": 2, "per_s": 3600}}},
    )
    assert [client.get("/v1/me", headers=one).status_code for _ in range(2)] == [200, 429]
    assert [client.get("/v1/me", headers=other).status_code for _ in range(3)] == [200, 200, 429]


def test_a_user_has_others_than_the_rest(opened: Opened, services: Services) -> None:
    client = opened(user={"requests": {"limit": 1, "per_s": 3600}}, users={"ann": {}})
    ann, bob = key_of(services.engine, "ann"), key_of(services.engine, "bob")
    for _ in range(3):
        response = client.get("/v1/me", headers=ann)
        assert response.status_code == 200
        assert "RateLimit" not in response.headers
    assert [client.get("/v1/me", headers=bob).status_code for _ in range(2)] == [200, 429]


def test_quotas(opened: Opened, services: Services) -> None:
    client = opened(user={"daily": {"requests": 2}, "monthly": {"requests": 100}})
    ann = key_of(services.engine, "ann")
    assert [client.get("/v1/me", headers=ann).status_code for _ in range(2)] == [200, 200]
    refused = client.get("/v1/me", headers=ann)
    assert refused.json()["code"] == "quota_spent"
    assert int(refused.headers["Retry-After"]) <= 86_400
    standings = parsed(refused.headers["RateLimit"])
    assert standings["user-requests-daily"]["r"] == "0"
    assert standings["user-requests-monthly"]["r"] == "98"


def test_a_spent_budget_of_tokens_refuses_what_spends_any(
    opened: Opened, services: Services
) -> None:
    client = opened(user={"tokens": {"limit": 100, "per_s": 3600}})
    ann = key_of(services.engine, "ann")
    user = users.named(services.engine, "ann")
    settings = client.app.state.limiter  # type: ignore[attr-defined]
    before = client.post("/v1/search", json=SEARCHED, headers=ann)
    assert before.status_code == 200
    policy = parsed(before.headers["RateLimit-Policy"])
    assert policy == {"user-tokens": {"q": "100", "w": "3600", "qu": "tokens"}}
    settings.debit({Payer(user.id, "ann"): 150})
    refused = client.post("/v1/search", json=SEARCHED, headers=ann)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1800
    assert client.get("/v1/me", headers=ann).status_code == 200


def test_documents_are_taken_all_or_none(opened: Opened, services: Services) -> None:
    client = opened(user={"documents": {"limit": 3, "per_s": 3600}})
    ann = key_of(services.engine, "ann", Role.EDITOR)

    def upload(*names: str) -> Any:
        body = {"documents": [{"name": name, "text": "x"} for name in names]}
        return client.post("/v1/documents", json=body, headers=ann)

    assert upload("a.md", "b.md").status_code == 202
    refused = upload("c.md", "d.md")
    assert refused.status_code == 429
    assert parsed(refused.headers["RateLimit"])["user-documents"]["r"] == "1"
    assert len(client.get("/v1/documents", headers=ann).json()["documents"]) == 2
    accepted = upload("c.md")
    assert accepted.status_code == 202
    assert parsed(accepted.headers["RateLimit"])["user-documents"]["r"] == "0"
    never = upload(*(f"{number}.md" for number in range(4)))
    assert "3 at most" in never.json()["hint"]


def test_replicas_share_them(opened: Opened, services: Services) -> None:
    limits = {"user": {"requests": {"limit": 5, "per_s": 3600}}}
    replicas = [opened(**limits), opened(**limits)]
    ann = key_of(services.engine, "ann")
    statuses = [replicas[n % 2].get("/v1/me", headers=ann).status_code for n in range(8)]
    assert statuses == [200] * 5 + [429] * 3


def test_nothing_is_limited_unless_somebody_says_so(services: Services) -> None:
    assert accounting.make_limiter(services.settings, services.engine) is None
    with TestClient(create_app(required(services))) as client:
        response = client.get("/v1/me", headers=key_of(services.engine, "ann"))
    assert "RateLimit" not in response.headers


def test_the_local_caller_can_be_limited_too(opened: Opened) -> None:
    client = opened(open_to_all=True, user={"requests": {"limit": 1, "per_s": 3600, "burst": 2}})
    first = client.get("/v1/me")
    assert parsed(first.headers["RateLimit-Policy"])["user-requests"]["smartypants-burst"] == "2"
    assert [client.get("/v1/me").status_code for _ in range(2)] == [200, 429]
    assert client.get("/healthz").status_code == 200  # nobody's account


def test_nobody_is_nobodys_account(opened: Opened) -> None:
    client = opened(user={"requests": {"limit": 1, "per_s": 3600}})
    for _ in range(3):
        response = client.get("/v1/me")
        assert response.status_code == 401
        assert "RateLimit" not in response.headers


def test_openai_clients_understand_the_refusal(opened: Opened) -> None:
    client = opened(open_to_all=True, user={"requests": {"limit": 1, "per_s": 3600}})
    client.get("/v1/models")
    assert client.get("/v1/models").json()["error"]["type"] == "rate_limit_error"


def test_settings_are_checked() -> None:
    for wrong in (
        {"user": {"requests": {"limit": 0}}},
        {"user": {"requests": {"per_s": 60}}},
        {"user": {"hourly": {"requests": 5}}},
        {"users": {"ann": {"tokens": {"limit": 1, "burst": 0}}}},
    ):
        with pytest.raises(ValueError, match="user"):
            LimitSettings.model_validate(wrong)
    assert not LimitSettings().any
    assert LimitSettings.model_validate({"keys": {"k": {"daily": {"tokens": 1}}}}).any


def test_handshakes_of_web_sockets_are_requests(opened: Opened) -> None:
    client = opened(open_to_all=True, user={"requests": {"limit": 1, "per_s": 3600}})
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/v1/nothing"):
        pass  # let in, and there is nothing
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect("/v1/nothing"),
    ):
        pass
    assert refused.value.status_code == 429
    assert int(refused.value.headers["Retry-After"]) > 0
    assert "RateLimit" in refused.value.headers
