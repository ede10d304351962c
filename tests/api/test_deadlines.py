"""Models that are called by themselves: the deadline of each request goes along."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from smartypants.api.services import Services
from smartypants.errors import DeadlineExceeded
from smartypants.options.answering import RerankerSettings
from tests.api.conftest import LLM, Backend

Ask = Callable[..., Any]


@pytest.fixture(params=["/v1/embeddings", "/v1/rerank", "/v1/chat/completions"])
def ask(
    request: pytest.FixtureRequest, services: Services, remade: Callable[..., TestClient]
) -> Ask:
    """Sends a request to the route, with these headers."""
    chosen = {"reranker": RerankerSettings(model="a-reranker")}
    client = remade(settings=services.settings.model_copy(update=chosen))
    bodies: dict[str, dict[str, object]] = {
        "/v1/embeddings": {"model": services.settings.embedder.model, "input": "a"},
        "/v1/rerank": {"model": "a-reranker", "query": "a", "documents": ["b"]},
        "/v1/chat/completions": {"model": LLM, "messages": [{"role": "user", "content": "a"}]},
    }
    path = request.param
    return lambda **headers: client.post(path, json=bodies[path], headers=headers)


def test_it_is_passed_on(ask: Ask, backend: Backend) -> None:
    before = time.time()
    assert ask(**{"X-Deadline-Ms": "2000"}).status_code == 200
    [deadline] = backend.deadlines
    assert deadline is not None
    assert before + 2 <= deadline <= time.time() + 2
    assert ask().status_code == 200
    assert backend.deadlines[1:] == [None]


def test_one_that_is_none(ask: Ask, backend: Backend) -> None:
    response = ask(**{"X-Deadline-Ms": "soon"})
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == "X-Deadline-Ms"
    assert backend.deadlines == []


def test_one_that_passed(ask: Ask, backend: Backend) -> None:
    backend.error = DeadlineExceeded("The deadline passed.")
    response = ask(**{"X-Deadline-Ms": "1"})
    assert (response.status_code, response.json()["code"]) == (504, "deadline_exceeded")
