"""Search and answers over HTTP."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from smartypants.errors import CollectionNotFound, LLMUnavailable, Overloaded
from smartypants.types import (
    Filters,
    Message,
    QueryOptions,
    SearchResult,
    Step,
    Understanding,
)
from tests.api.conftest import ANSWER, HIT, RESULT


def events(text: str) -> list[tuple[str, dict[str, object]]]:
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_search_passes_the_query_on(client, backend):
    body = {
        "query": "  notice period ",
        "collection": "leases",
        "top_k": 5,
        "rerank": False,
        "filters": {"document_ids": ["a"], "source_ids": ["b", "c"]},
    }
    before = time.time()
    headers = {"X-Request-Id": "me-1", "X-Deadline-Ms": "2000"}
    response = client.post("/v1/search", json=body, headers=headers)
    assert response.status_code == 200
    [query] = backend.queries
    assert (query.text, query.collection, query.top_k) == ("notice period", "leases", 5)
    assert query.rerank is False
    assert query.filters == Filters(("a",), ("b", "c"))
    assert (query.principals, query.request_id) == (("public",), "me-1")
    assert before + 2 <= query.deadline <= time.time() + 2


def test_search_response(client):
    body = client.post("/v1/search", json={"query": "x"}, headers={"X-Request-Id": "r1"}).json()
    names = {"hits", "understood", "trace", "skipped", "timings_ms", "cached", "request_id"}
    assert set(body) == names
    assert (body["understood"], body["trace"]) == (None, [])
    assert body["hits"] == [
        {
            "document_id": "d" * 32,
            "chunk_id": body["hits"][0]["chunk_id"],
            "title": "Lease",
            "uri": "upload:lease.md",
            "source_id": "s" * 32,
            "section": "Lease > Notice",
            "page": "3",
            "text": "Three months.",
            "start": 10,
            "end": 23,
            "score": 0.9,
            "scores": {"dense": 0.9},
            "metadata": {"author": "Ann"},
            "copies": 0,
            "neighbours": None,
            "parent": None,
            "explanation": None,
            "flags": None,
        }
    ]
    assert body["skipped"] == {"rerank": "deadline"}
    assert body["timings_ms"] == {"embed": 1.23}
    assert body["request_id"] == "r1"


def test_what_was_understood_comes_along(client, backend, remade):
    near = replace(HIT.chunk, index=1, text="And then some.", start=25, end=39)
    filters = Filters(media_types=("application/pdf",), after=5.0)
    hit = replace(
        HIT, copies=2, neighbours=(near,), parent=(HIT.chunk, near), explanation={"fused": 1.0}
    )
    result = SearchResult(
        (hit,),
        trace=(Step("syntax", 0.1, "type:pdf"),),
        understood=Understanding("fees", "what fees", "docs", filters, ("a b",), ("v",), "en"),
    )

    async def search(query):
        return result

    client = remade(search=search)
    body = client.post("/v1/search", json={"query": "x"}).json()
    assert body["trace"] == [{"name": "syntax", "ms": 0.1, "detail": "type:pdf"}]
    assert body["understood"] == {
        "text": "fees",
        "question": "what fees",
        "collection": "docs",
        "language": "en",
        "phrases": ["a b"],
        "variants": ["v"],
        "filters": {
            "document_ids": [],
            "source_ids": [],
            "media_types": ["application/pdf"],
            "authors": [],
            "after": 5.0,
            "before": None,
        },
    }
    [found] = body["hits"]
    assert (found["copies"], found["explanation"]) == (2, {"fused": 1.0})
    assert found["neighbours"] == [{"text": "And then some.", "start": 25, "end": 39, "page": "3"}]
    text = "Three months.\n\nAnd then some."
    assert found["parent"] == {"text": text, "start": 10, "end": 39, "page": None}


@pytest.mark.parametrize("path", ["/v1/search", "/v1/answers"])
def test_options_filters_and_history_are_passed_on(client, backend, path):
    body = {
        ("query" if path == "/v1/search" else "question"): "and then?",
        "filters": {
            "media_types": ["Application/PDF"],
            "authors": ["Jane Doe"],
            "after": "2023",
            "before": "2023-05-17T10:00:00+02:00",
        },
        "options": {"spelling": False, "expansion": "queries", "diversity": 0.5, "neighbours": 2},
        "history": [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "b."}],
    }
    assert client.post(path, json=body).status_code == 200
    query = backend.queries[0] if backend.queries else backend.answers[0].query
    assert query.filters == Filters(
        media_types=("application/pdf",),
        authors=("Jane Doe",),
        after=datetime(2023, 1, 1, tzinfo=UTC).timestamp(),
        before=datetime(2023, 5, 17, 8, tzinfo=UTC).timestamp(),
    )
    assert query.options == QueryOptions(
        spelling=False, expansion="queries", diversity=0.5, neighbours=2
    )
    assert query.history == (Message("user", "a?"), Message("assistant", "b."))
    assert query.elsewhere is True
    client.post(path, json={**body, "collection": "docs"})
    assert [*backend.queries, *(item.query for item in backend.answers)][-1].elsewhere is False


def test_search_defaults(client, backend, services):
    client.post("/v1/search", json={"query": "x"})
    [query] = backend.queries
    assert query.collection == services.settings.default_collection
    assert (query.top_k, query.rerank, query.filters) == (10, None, Filters())
    assert query.deadline is None


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"query": "   "}, "/query"),
        ({"query": "x" * 101}, "/query"),
        ({"query": 1}, "/query"),
        ({"query": None}, "/query"),
        ({"query": "a\ud800b"}, "/query"),
        ({"top_k": 0}, "/top_k"),
        ({"top_k": 51}, "/top_k"),
        ({"top_k": 10**30}, "/top_k"),
        ({"top_k": "5"}, "/top_k"),
        ({"top_k": True}, "/top_k"),
        ({"collection": "No Such"}, "/collection"),
        ({"filters": {"document_ids": ["ok", 3]}}, "/filters/document_ids/1"),
        ({"filters": {"documents": []}}, "/filters/documents"),
        ({"filters": []}, "/filters"),
        ({"filters": {"media_types": ["pdf"]}}, "/filters/media_types/0"),
        ({"filters": {"authors": ["?!"]}}, "/filters/authors/0"),
        ({"filters": {"after": "soon"}}, "/filters/after"),
        ({"filters": {"after": "2023-02-30"}}, "/filters/after"),
        ({"filters": {"before": 2023}}, "/filters/before"),
        ({"options": {"diversity": 1.5}}, "/options/diversity"),
        ({"options": {"neighbours": 6}}, "/options/neighbours"),
        ({"options": {"expansion": "all"}}, "/options/expansion"),
        ({"options": {"speling": True}}, "/options/speling"),
        ({"history": [{"role": "system", "content": "x"}]}, "/history/0/role"),
        ({"history": [{"role": "user", "content": ""}]}, "/history/0/content"),
        ({"topk": 3}, "/topk"),
        ({"a/b~c": 3}, "/a~1b~0c"),
        ({"\ud800": 3}, "/"),
    ],
)
def test_search_refuses_bad_fields(client, change, path):
    content = json.dumps({"query": "x", **change})
    response = client.post(
        "/v1/search", content=content, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422
    problem = response.json()
    assert problem["code"] == "validation_failed"
    assert [error["path"] for error in problem["errors"]] == [path]


def test_query_limit_is_after_strip(client):
    assert client.post("/v1/search", json={"query": " " + "x" * 100 + " "}).status_code == 200


@pytest.mark.parametrize("value", ["", "0", "-1", "1.5", "soon", "²", "9" * 5000])
def test_bad_deadline(client, value):
    headers = {"X-Deadline-Ms": value.encode()}
    response = client.post("/v1/search", json={"query": "x"}, headers=headers)
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == "X-Deadline-Ms"


def test_errors_of_services(client, backend):
    backend.error = CollectionNotFound("There is no collection 'x'.", "Collections: y.")
    problem = client.post("/v1/search", json={"query": "x"}).json()
    assert (problem["status"], problem["code"]) == (404, "collection_not_found")
    assert problem["hint"] == "Collections: y."


def test_answer(client, backend):
    body = {"question": "How long?", "top_k": 3, "max_tokens": 40, "temperature": 0.5}
    answer = client.post("/v1/answers", json=body).json()
    [request] = backend.answers
    assert (request.query.text, request.query.top_k) == ("How long?", 3)
    assert (request.sampling.max_tokens, request.sampling.temperature) == (40, 0.5)
    assert answer["answer"] == "Three months. [1]"
    assert answer["found"] is True
    assert answer["usage"] == {"prompt_tokens": 7, "completion_tokens": 6}
    assert (answer["supported_sentences"], answer["sentences"]) == (1, 1)
    assert answer["finish_reason"] == "stop"
    assert len(answer["hits"]) == 1
    [citation] = answer["citations"]
    assert citation["number"] == 1
    assert citation["passage"] == "Three months."
    assert (citation["section"], citation["page"]) == ("Lease > Notice", "3")
    assert answer["request_id"]


def test_answer_defaults(client, backend, services):
    client.post("/v1/answers", json={"question": "x"})
    [request] = backend.answers
    assert request.query.top_k == services.settings.answers.top_k
    assert request.sampling.max_tokens == services.settings.answers.max_tokens
    assert request.sampling.temperature == 0


@pytest.mark.parametrize(
    "change",
    [{"max_tokens": 0}, {"max_tokens": 1001}, {"temperature": 2.1}, {"temperature": -0.1},
     {"question": ""}, {"stream": 1}, {"query": "x"}, {"top_k": 51}],
)  # fmt: skip
def test_answer_refuses_bad_fields(client, change):
    response = client.post("/v1/answers", json={"question": "x", **change})
    assert response.status_code == 422


def test_infinite_temperature(client):
    response = client.post(
        "/v1/answers",
        content='{"question": "x", "temperature": 1e999}',
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code == 422


def test_streamed_answer(client, backend):
    response = client.post("/v1/answers", json={"question": "x", "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    found = events(response.text)
    names = [name for name, _ in found]
    assert names == ["hits", *["token"] * 6, "citation", "answer"]
    assert found[0][1]["hits"][0]["title"] == "Lease"
    assert "".join(data["text"] for name, data in found if name == "token") == (
        "The notice period is three months."
    )
    whole = client.post("/v1/answers", json={"question": "x"}).json()
    assert {**found[-1][1], "request_id": ""} == {**whole, "request_id": ""}
    assert backend.closed == 2


def test_stream_that_fails_at_once_is_an_ordinary_error(client, backend):
    backend.error = Overloaded("Too many.", "Wait.")
    response = client.post("/v1/answers", json={"question": "x", "stream": True})
    assert response.status_code == 429
    assert response.headers["content-type"] == "application/problem+json"
    assert int(response.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("error", "code"),
    [(LLMUnavailable("Gone.", ""), "llm_unavailable"), (KeyError("secret"), "internal_error")],
)
def test_stream_that_breaks_ends_with_a_problem(client, backend, error, code):
    backend.error, backend.error_after = error, 2
    headers = {"X-Request-Id": "r-7"}
    response = client.post("/v1/answers", json={"question": "x", "stream": True}, headers=headers)
    assert response.status_code == 200
    name, problem = events(response.text)[-1]
    assert name == "error"
    assert (problem["code"], problem["request_id"]) == (code, "r-7")
    assert "secret" not in response.text
    assert backend.closed == 1


class ClosableEvents:
    """An iterator that no garbage collector closes by itself, as a remote stream is."""

    def __init__(self) -> None:
        self.items = [RESULT, ANSWER]
        self.closed = 0

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.items:
            raise StopAsyncIteration
        return self.items.pop(0)

    async def aclose(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("stream", [True, False])
def test_answer_events_are_closed(remade, stream):
    found = ClosableEvents()
    client = remade(answer=lambda request: found)
    response = client.post("/v1/answers", json={"question": "x", "stream": stream})
    assert response.status_code == 200
    assert found.closed == 1


def test_caches_and_the_language_model_can_be_left_out(client, backend):
    found = client.post("/v1/search", json={"query": "x", "cache": False}).json()
    assert found["cached"] is False
    assert backend.queries[-1].cache is False
    body = {"question": "x", "mode": "extractive", "cache": False}
    answer = client.post("/v1/answers", json=body).json()
    request = backend.answers[-1]
    assert (request.mode, request.query.cache) == ("extractive", False)
    assert (answer["mode"], answer["cached"], answer["supported_share"]) == ("generated", False, 1)
    client.post("/v1/answers", json={"question": "x"})
    assert (backend.answers[-1].mode, backend.answers[-1].query.cache) == ("generated", True)
    assert client.post("/v1/answers", json={"question": "x", "mode": "guess"}).status_code == 422


def test_what_was_kept_is_said(remade):
    async def search(_):
        return replace(RESULT, cached=True)

    client = remade(search=search)
    assert client.post("/v1/search", json={"query": "x"}).json()["cached"] is True
