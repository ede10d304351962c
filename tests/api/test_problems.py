"""Every way to get something wrong answers with problem details."""

from __future__ import annotations

import json
import pickle
from collections.abc import AsyncIterator

import httpx
import pytest

from smartypants.api.app import create_app
from smartypants.api.problems import FieldError, InvalidFields
from smartypants.errors import LedgerUnavailable, LLMUnavailable, Overloaded

JSON = {"Content-Type": "application/json"}
REQUIRED = {"type", "title", "status", "detail", "code", "hint", "request_id"}
POSTS = ["/v1/search", "/v1/answers", "/v1/documents", "/v1/collections",
         "/v1/chat/completions", "/v1/embeddings"]  # fmt: skip


def check(response, status, code):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) >= REQUIRED
    assert problem["status"] == status
    assert (problem["code"], problem["type"]) == (code, f"urn:smartypants:error:{code}")
    assert problem["request_id"] == response.headers["x-request-id"]
    assert ("error" in problem) == response.request.url.path.startswith(
        ("/v1/chat", "/v1/embeddings", "/v1/models")
    )
    return problem


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"{'a': 1}", b'{"query": "\xff"}', b"\xef\xbb\xbf{}", b"[" * 200_000,
     b"[" * 70 + b"]" * 70, b'{"a":' * 100 + b"1" + b"}" * 100, b'{"top_k": NaN}',
     b'{"top_k": -Infinity}', b'{"top_k": ' + b"9" * 5000 + b"}", b"{} {}"],
)  # fmt: skip
def test_malformed_json(client, path, content):
    check(client.post(path, content=content, headers=JSON), 400, "invalid_request")


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("content", [b"[]", b"null", b'"x"', b"3", b"1e999", b"{}"])
def test_json_of_another_shape(client, path, content):
    problem = check(client.post(path, content=content, headers=JSON), 422, "validation_failed")
    assert problem["errors"]


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("kind", [None, "text/plain", "application/xml", "json", "multipart/x"])
def test_content_type(client, path, kind):
    headers = {"Content-Type": kind} if kind else {}
    response = client.post(path, content=b"{}", headers=headers)
    check(response, 415, "unsupported_media_type")


def test_content_type_with_parameters(client):
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    response = client.post("/v1/search", content=b'{"query": "x"}', headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize("path", POSTS)
def test_too_large(client, path):
    response = client.post(path, content=b" " * 200_001, headers=JSON)
    check(response, 413, "payload_too_large")


def test_too_large_multipart(client):
    response = client.post("/v1/documents", files=[("files", ("a", b"x" * 200_001))])
    check(response, 413, "payload_too_large")


@pytest.mark.anyio
@pytest.mark.parametrize("path", POSTS)
async def test_too_large_without_a_length_stops_reading(services, path):
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b" " * 10_000

    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        response = await client.post(path, content=body(), headers=JSON)
    check(response, 413, "payload_too_large")
    assert sent < 30


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/", "/v1", "/v1/search/", "/v2/search", "/v1/embeddings/x"])
def test_no_such_route(client, method, path):
    check(client.request(method, path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/search", "POST"),
        ("PUT", "/v1/documents", "GET, HEAD, POST"),
        ("PATCH", "/v1/collections/x", "DELETE, GET, HEAD"),
        ("DELETE", "/v1/models", "GET, HEAD"),
        ("POST", "/healthz", "GET, HEAD"),
    ],
)
def test_method_not_allowed(client, method, path, allow):
    response = client.request(method, path)
    check(response, 405, "method_not_allowed")
    assert response.headers["allow"] == allow


@pytest.mark.parametrize("path", ["/v1/search", "/v1/answers"])
@pytest.mark.parametrize(
    ("error", "status"), [(Overloaded("Full.", ""), 429), (LLMUnavailable("Down.", ""), 503)]
)
def test_retryable_errors(client, backend, path, error, status):
    backend.error = error
    response = client.post(path, json={"query" if "search" in path else "question": "x"})
    problem = check(response, status, error.code)
    assert problem["detail"] == error.message
    assert int(response.headers["retry-after"]) >= 1


def test_others_have_no_retry_after(client):
    assert "retry-after" not in client.get("/v1/jobs/x").headers


def test_unexpected_errors_show_nothing(client, backend, capsys):
    backend.error = ValueError("password=hunter2")
    response = client.post("/v1/search", json={"query": "x"}, headers={"X-Request-Id": "r-9"})
    check(response, 500, "internal_error")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "hunter2" not in response.text
    logged = capsys.readouterr().out
    assert "hunter2" in logged
    assert "r-9" in logged


def test_ledger_down(remade):
    async def fail(query):
        raise LedgerUnavailable("no route to secret-host", "Check ledger.url.")

    response = remade(search=fail).post("/v1/search", json={"query": "x"})
    check(response, 503, "ledger_unavailable")
    assert "secret" not in response.text
    assert "ledger.url" not in response.text
    assert response.headers["retry-after"]


@pytest.mark.parametrize("sent", ["", "a b", "x" * 101, "a\tb", "ü", "a/b"])
def test_bad_request_ids_are_replaced(client, sent):
    response = client.get("/healthz", headers={"X-Request-Id": sent.encode()})
    got = response.headers["x-request-id"]
    assert got != sent
    assert len(got) == 32


def test_good_request_ids_are_kept(client):
    response = client.get("/v1/jobs/x", headers={"X-Request-Id": "A.b_c-1"})
    assert check(response, 404, "job_not_found")["request_id"] == "A.b_c-1"


def test_many_wrong_fields_make_a_short_answer(client):
    body = {"query": "x", **{f"field{n}" + "y" * 1000: 1 for n in range(90)}}
    response = client.post("/v1/search", content=json.dumps(body), headers=JSON)
    check(response, 422, "validation_failed")
    assert len(response.content) < 20_000


def test_parameters_of_routes_without_any(client):
    problem = check(client.post("/v1/search?top_k=3", json={"query": "x"}), 422,
                    "validation_failed")  # fmt: skip
    assert problem["errors"][0]["path"] == "?top_k"


def test_nul_in_a_path(client):
    check(client.get("/v1/documents/a%00b"), 422, "validation_failed")


def test_invalid_fields_are_picklable():
    error = InvalidFields("m", "h", (FieldError(path="/a", message="b"),))
    again = pickle.loads(pickle.dumps(error))
    assert (again.args, again.errors, str(again)) == (error.args, error.errors, "m h")
