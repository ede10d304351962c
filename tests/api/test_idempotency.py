"""A write that is sent again with its key is done once, and answered the same."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from smartypants.api.app import TABLE, create_app
from smartypants.api.services import Services
from smartypants.auth.roles import Role
from smartypants.ledger import idempotency, jobs, users
from smartypants.ledger.chat_schema import idempotency_keys
from smartypants.ledger.database import reading
from tests.auth.conftest import key_of, required

NOTE = {"documents": [{"name": "a.md", "text": "x"}]}


@pytest.fixture
def ledger_url(either_ledger: str) -> str:
    return either_ledger


def key(text: str = "k1") -> dict[str, str]:
    return {"Idempotency-Key": text}


def test_done_once_and_answered_the_same(client: TestClient, services: Services) -> None:
    first = client.post("/v1/documents", json=NOTE, headers=key())
    again = client.post("/v1/documents", json=NOTE, headers=key())
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["content-type"] == first.headers["content-type"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert len(jobs.page(services.engine, limit=9)) == 1
    client.post("/v1/documents", json=NOTE, headers=key("k2"))
    client.post("/v1/documents", json=NOTE)
    assert len(jobs.page(services.engine, limit=9)) == 3


@pytest.mark.parametrize(
    "other",
    [
        ("POST", "/v1/documents", {"documents": [{"name": "b.md", "text": "x"}]}),
        ("POST", "/v1/collections", {"name": "a"}),
        ("DELETE", "/v1/collections/a", None),
    ],
)
def test_another_request_with_the_key(client: TestClient, other: tuple[str, str, Any]) -> None:
    client.post("/v1/documents", json=NOTE, headers=key())
    method, path, body = other
    response = client.request(method, path, json=body, headers=key())
    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")


def test_forms_are_the_same_whatever_their_boundary(client: TestClient, services: Services) -> None:
    def upload(text: bytes) -> httpx.Response:
        return client.post("/v1/documents", files=[("files", ("a.md", text))], headers=key())

    first, again = upload(b"x"), upload(b"x")
    assert (first.status_code, again.content) == (202, first.content)
    assert len(jobs.page(services.engine, limit=9)) == 1
    assert upload(b"y").status_code == 422


@pytest.mark.parametrize("bad", ["", " ", "a b", "x" * 256, "ü".encode()])
def test_bad_keys(client: TestClient, bad: str | bytes) -> None:
    response = client.post("/v1/documents", json=NOTE, headers={"Idempotency-Key": bad})
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == "Idempotency-Key"


def test_errors_are_not_remembered(client: TestClient) -> None:
    path = "/v1/conversations/c"
    for _ in range(2):
        response = client.delete(path, headers=key())
        assert (response.status_code, response.json()["code"]) == (404, "conversation_not_found")
    assert client.post("/v1/documents", json=NOTE, headers=key()).status_code == 202
    bad = {"documents": []}
    assert client.post("/v1/documents", json=bad, headers=key("k2")).status_code == 422
    assert client.post("/v1/documents", json=NOTE, headers=key("k2")).status_code == 202


def test_nothing_without_content_is_answered_so_again(client: TestClient) -> None:
    client.post("/v1/collections", json={"name": "a"})
    for _ in range(2):
        response = client.delete("/v1/collections/a", headers=key())
        assert (response.status_code, response.content) == (204, b"")


def test_at_once_it_is_done_once(services: Services) -> None:
    """While it is answered the other is told so, and gets the answer afterwards."""
    begun, free = threading.Event(), threading.Event()
    create = services.vectors.create

    def slow(*args: Any, **kwargs: Any) -> None:
        begun.set()
        assert free.wait(10)
        create(*args, **kwargs)

    services.vectors.create = slow  # type: ignore[method-assign]

    async def send() -> list[httpx.Response]:
        transport = httpx.ASGITransport(create_app(services))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:

            async def post() -> httpx.Response:
                return await client.post("/v1/documents", json=NOTE, headers=key())

            first = asyncio.create_task(post())
            await asyncio.to_thread(begun.wait, 10)
            during = await post()
            free.set()
            return [await first, during, await post()]

    first, during, after = asyncio.run(send())
    assert (during.status_code, during.json()["code"]) == (409, "request_in_progress")
    assert during.headers["retry-after"]
    assert (first.status_code, after.content) == (202, first.content)
    assert len(jobs.page(services.engine, limit=9)) == 1


def test_the_work_goes_on_without_its_client(services: Services) -> None:
    free = threading.Event()
    create = services.vectors.create

    def slow(*args: Any, **kwargs: Any) -> None:
        assert free.wait(10)
        create(*args, **kwargs)

    services.vectors.create = slow  # type: ignore[method-assign]

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(services))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            first = asyncio.create_task(client.post("/v1/documents", json=NOTE, headers=key()))
            await asyncio.sleep(0.3)
            first.cancel()
            await asyncio.sleep(0.1)
            free.set()
            for _ in range(50):
                again = await client.post("/v1/documents", json=NOTE, headers=key())
                if again.status_code != 409:
                    break
                await asyncio.sleep(0.1)
            return again

    again = asyncio.run(send())
    assert again.headers["idempotency-replayed"] == "true"
    assert len(jobs.page(services.engine, limit=9)) == 1


def test_a_claim_that_was_left_behind_is_taken_over(client: TestClient, services: Services) -> None:
    first = client.post("/v1/documents", json=NOTE, headers=key())
    left = update(idempotency_keys).values(status=None, locked_until=time.time() + 60)
    with services.engine.begin() as connection:
        connection.execute(left)
    assert client.post("/v1/documents", json=NOTE, headers=key()).status_code == 409
    with services.engine.begin() as connection:
        connection.execute(left.values(locked_until=time.time() - 1))
    again = client.post("/v1/documents", json=NOTE, headers=key())
    assert again.json()["job_id"] != first.json()["job_id"]


def test_keys_expire(client: TestClient, services: Services) -> None:
    client.post("/v1/documents", json=NOTE, headers=key())
    with services.engine.begin() as connection:
        connection.execute(update(idempotency_keys).values(expires_at=time.time() - 1))
    other = {"documents": [{"name": "b.md", "text": "x"}]}
    assert client.post("/v1/documents", json=other, headers=key()).status_code == 202


def test_keys_are_the_callers_and_secrets_are_not_kept(services: Services) -> None:
    engine = services.engine
    ann, bob = key_of(engine, "ann", Role.EDITOR), key_of(engine, "bob", Role.EDITOR)
    with TestClient(create_app(required(services))) as client:
        made = [
            client.post("/v1/keys", json={"name": "k"}, headers=who | key()) for who in (ann, bob)
        ]
        assert [response.status_code for response in made] == [201, 201]
        again = client.post("/v1/keys", json={"name": "k"}, headers=ann | key())
        assert (again.status_code, again.json()["code"]) == (409, "conflict")
        assert len(client.get("/v1/keys", headers=ann).json()["keys"]) == 2
        with reading(engine) as connection:
            kept = str(connection.execute(select(idempotency_keys)).all())
        assert all(response.json()["key"] not in kept for response in made)
        # Who may not do it is told so, whatever its key was used for.
        users.change(engine, "ann", role=Role.READER)
        response = client.post("/v1/collections", json={"name": "a"}, headers=ann | key())
        assert response.status_code == 403


def test_all_writes_take_one() -> None:
    without = {(r.method, r.path) for r in TABLE if r.method != "GET" and not r.takes_key}
    assert without == {
        ("POST", "/v1/search"),
        ("POST", "/v1/answers"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/embeddings"),
        ("POST", "/v1/rerank"),
        ("POST", "/v1/prompts/{name}/preview"),
        ("POST", "/auth/logout"),
    }


def test_a_reading_post_ignores_it(client: TestClient, services: Services) -> None:
    for _ in range(2):
        response = client.post("/v1/search", json={"query": "x"}, headers=key())
        assert "idempotency-replayed" not in response.headers
    assert isinstance(
        idempotency.claim(services.engine, "local", "k1", "f", remember_s=1), idempotency.Claim
    )
