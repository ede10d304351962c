"""ETags, pages of every list, and what pages of other sites may do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from smartypants.api.app import TABLE, create_app
from smartypants.api.paging import Paged, page_of
from smartypants.api.services import Services
from smartypants.auth.roles import Role
from smartypants.ledger import api_keys, collections, grants, groups, users
from smartypants.options.serving import HttpSettings
from smartypants.settings import Settings
from tests.auth.conftest import key_of, required

PATH = "/v1/collections/a"


@pytest.fixture
def tag(client: TestClient) -> str:
    client.post("/v1/collections", json={"name": "a"})
    return str(client.get(PATH).headers["etag"])


@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', "*"])
def test_what_is_known_is_not_sent_again(client: TestClient, tag: str, form: str) -> None:
    response = client.get(PATH, headers={"If-None-Match": form.format(tag)})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == tag
    assert response.headers["cache-control"] == "private, no-cache"


def test_what_changed_is_sent(client: TestClient, tag: str) -> None:
    client.post(
        "/v1/documents",
        json={"collection": "a", "documents": [{"name": "a.md", "text": "x"}]},
    )
    response = client.get(PATH, headers={"If-None-Match": tag})
    assert response.status_code == 200
    assert response.headers["etag"] != tag


def test_only_what_is_known_is_changed(client: TestClient, tag: str) -> None:
    recipe = f"{PATH}/recipe"
    first = client.get(recipe).headers["etag"]
    assert client.put(recipe, json={"candidates": 50}, headers={"If-Match": first}).is_success
    again = client.put(recipe, json={"candidates": 60}, headers={"If-Match": first})
    assert (again.status_code, again.json()["code"]) == (412, "precondition_failed")
    assert client.get(recipe).json()["recipe"]["candidates"] == 50
    assert client.delete(PATH, headers={"If-Match": '"other"'}).status_code == 412
    assert client.delete(PATH, headers={"If-Match": tag}).status_code == 204
    assert client.delete(PATH, headers={"If-Match": tag}).status_code == 404
    post = client.post("/v1/documents", json={"documents": []}, headers={"If-Match": tag})
    assert post.status_code == 422
    body = {"query": "x", "document_id": "d", "relevant": True}
    nothing = client.post("/v1/feedback", json=body, headers={"If-Match": "*"})
    assert nothing.status_code == 412  # nothing is got there


LISTS: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "/v1/collections": ("collections", lambda row: row["name"]),
    "/v1/keys": ("keys", lambda row: row["name"]),
    "/v1/users": ("users", lambda row: row["name"]),
    "/v1/groups": ("groups", lambda row: row["name"]),
    "/v1/grants": ("grants", lambda row: f"{row['collection']} {row['principal']}"),
}


def test_every_list_comes_in_pages(services: Services) -> None:
    engine = services.engine
    root = key_of(engine, "root", Role.ADMIN)
    user = users.named(engine, "root")
    for number in range(6):
        collections.ensure(engine, f"c{number}", embedding_model="m", dimension=3)
        api_keys.create(engine, user, name=f"k{number}")
        users.create(engine, f"u{number}", role=Role.READER)
        groups.set_members(engine, f"g/{number}", [])
        grants.give(engine, f"c{number}", "group:g", Role.READER)
        grants.give(engine, f"c{number}", "public", Role.READER)
    with TestClient(create_app(required(services))) as client:
        for path, (field, name) in LISTS.items():
            whole = client.get(path, params={"limit": 500}, headers=root).json()
            assert whole["next_cursor"] is None
            expected = [name(row) for row in whole[field]]
            assert len(set(expected)) == len(expected) >= 6
            for limit in (1, 4, 5, len(expected)):
                found: list[str] = []
                cursor = None
                while True:
                    params = {"limit": limit} | ({"cursor": cursor} if cursor else {})
                    page = client.get(path, params=params, headers=root).json()
                    found += [name(row) for row in page[field]]
                    assert len(page[field]) <= limit
                    cursor = page["next_cursor"]
                    if cursor is None:
                        break
                assert found == expected, path
            assert client.get(path, params={"limit": 501}, headers=root).status_code == 422
        newest = client.get("/v1/keys", params={"limit": 1}, headers=root).json()["keys"]
        assert newest[0]["name"] == "k5"


def test_lists_have_cursors() -> None:
    """Those that have none say why in docs/requests.md: they are small, and bounded."""
    lists = {
        route.path
        for route in TABLE
        if route.reads
        and route.response is not None
        and any("list[" in str(f.annotation) for f in route.response.model_fields.values())
    }
    paged = {r.path for r in TABLE if r.reads and "cursor" in r.params.model_fields}
    assert lists - paged == {
        "/v1/conversations/{conversation_id}",
        "/v1/documents/{document_id}/related",
        "/v1/documents/{document_id}/versions",
        "/v1/collections/{name}/recipe",
        "/v1/jobs/{job_id}",
        "/v1/models",
        "/v1/prompts",
        "/v1/prompts/{name}",
        "/v1/me",
        "/auth/issuers",
        "/readyz",
    }


def test_a_cursor_of_what_is_gone() -> None:
    page, cursor = page_of(["a", "c", "d"], Paged(limit=1, cursor="b"), str)
    assert (page, cursor) == (["c"], "c")


def test_other_sites_are_not_named_unless_they_are_set(
    client: TestClient, services: Services, remade: Callable[..., TestClient]
) -> None:
    headers = {"Origin": "https://friend.example"}
    asks = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
    }
    assert "access-control-allow-origin" not in client.get("/healthz", headers=headers).headers
    assert client.options("/v1/search", headers=headers | asks).status_code == 405
    http = HttpSettings(cors_origins=("https://friend.example",))
    friend = remade(settings=services.settings.model_copy(update={"http": http}))
    allowed = friend.options("/v1/search", headers=headers | asks)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://friend.example"
    assert "access-control-allow-credentials" not in allowed.headers
    for path in ("/healthz", "/v1/jobs/x"):
        response = friend.get(path, headers=headers)
        assert response.headers["access-control-allow-origin"] == "https://friend.example"
        assert "ETag" in response.headers["access-control-expose-headers"]
    evil = friend.get("/healthz", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in evil.headers


@pytest.mark.parametrize("origin", ["*", "friend.example", "https://a/b", "https://*.a", "null"])
def test_origins_are_written_out(origin: str) -> None:
    with pytest.raises(ValueError, match="cors_origins"):
        Settings(http={"cors_origins": [origin]})
