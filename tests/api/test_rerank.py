"""The reranker over HTTP, in the shape of Cohere's and Jina's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from smartypants.api.services import Services
from smartypants.errors import Overloaded
from smartypants.options.answering import RerankerSettings
from tests.api.conftest import Backend

TEXTS = ["aa", "aaaa", "aaa"]


@pytest.fixture
def reranking(services: Services, remade: Callable[..., TestClient]) -> TestClient:
    chosen = RerankerSettings(model="a-reranker")
    return remade(settings=services.settings.model_copy(update={"reranker": chosen}))


def ask(client: TestClient, **more: Any) -> Any:
    body = {"model": "a-reranker", "query": "aaa", "documents": TEXTS} | more
    return client.post("/v1/rerank", json=body)


def test_best_first_with_probabilities(reranking: TestClient) -> None:
    found = ask(reranking).json()
    assert found["model"] == "a-reranker"
    assert [row["index"] for row in found["results"]] == [1, 2, 0]
    scores = [row["relevance_score"] for row in found["results"]]
    assert scores == pytest.approx([0.7311, 0.5, 0.2689], abs=1e-4)
    assert {row["document"] for row in found["results"]} == {None}


def test_some_with_their_texts(reranking: TestClient) -> None:
    documents = [{"text": text} for text in TEXTS]
    found = ask(reranking, documents=documents, top_n=2, return_documents=True).json()
    assert [row["document"]["text"] for row in found["results"]] == ["aaaa", "aaa"]


def test_scores_far_from_0_do_not_overflow(reranking: TestClient) -> None:
    texts = ["x", "y" * 2000]
    found = ask(reranking, query="a" * 100, documents=texts).json()["results"]
    assert [row["index"] for row in found] == [1, 0]
    assert all(0 <= row["relevance_score"] <= 1 for row in found)


def test_it_is_among_the_models(reranking: TestClient, client: TestClient) -> None:
    def names(app: TestClient) -> set[str]:
        return {row["id"] for row in app.get("/v1/models").json()["data"]}

    assert names(reranking) - names(client) == {"a-reranker"}
    assert reranking.get("/v1/models/a-reranker").status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"documents": []},
        {"documents": [""]},
        {"top_n": 0},
        {"query": ""},
        {"documents": [{"a": 1}]},
    ],
)
def test_what_is_wrong(reranking: TestClient, wrong: dict[str, Any]) -> None:
    assert ask(reranking, **wrong).status_code == 422


def test_what_is_not_there(
    reranking: TestClient, client: TestClient, services: Services, remade: Callable[..., TestClient]
) -> None:
    for app in (client, remade(settings=services.settings, rerank=None)):
        assert ask(app).json()["code"] == "model_not_found"
    assert ask(reranking, model="another").json()["code"] == "model_not_found"


def test_a_full_queue(reranking: TestClient, backend: Backend) -> None:
    backend.error = Overloaded("A queue is full.", "Later.")
    response = ask(reranking)
    assert (response.status_code, response.json()["code"]) == (429, "overloaded")
