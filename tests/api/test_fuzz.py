"""Whatever JSON is sent: never a 5xx, and every refusal is a problem."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from smartypants.api import chat_messages
from smartypants.api.app import create_app
from smartypants.errors import SmartyPantsError
from tests.api.conftest import LLM

FIELDS = {
    "/v1/search": {"query": "x", "collection": "default", "top_k": 3, "rerank": None,
                   "filters": {"document_ids": [], "source_ids": [], "media_types": [],
                               "authors": [], "after": "2023", "before": None},
                   "options": {"spelling": True, "expansion": "none", "diversity": 0.1,
                               "neighbours": 1},
                   "history": [{"role": "user", "content": "x"}]},
    "/v1/answers": {"question": "x", "max_tokens": 3, "temperature": 0, "stream": False,
                    "options": {}, "history": []},
    "/v1/documents": {"collection": "default", "documents": [
        {"name": "a.md", "text": "x", "media_type": "text/plain", "title": "t", "metadata": {}}]},
    "/v1/collections": {"name": "a"},
    "/v1/feedback": {"query": "x", "collection": "default", "document_id": "d", "chunk_id": "c",
                     "relevant": True, "prompt_version": "v"},
    "/v1/prompts": {"name": "answer", "collection": None, "note": "", "variables": None,
                    "messages": [{"role": "user",
                                  "content": "{{ passages[0].text }} {{ question }}"}]},
    "/v1/prompts/answer/preview": {"question": "x", "collection": None, "version": None},
    "/v1/prompts/answer/activate": {"collection": None, "note": "",
                                    "versions": [{"version": "default", "share": 1.0}]},
    "/v1/chat/completions": {"model": LLM, "messages": [{"role": "user", "content": "x"}],
                             "stop": [], "n": 1, "stream": False, "tools": [], "user": "u",
                             "stream_options": {"include_usage": True}},
    "/v1/embeddings": {"model": None, "input": ["x"], "encoding_format": "float"},
}  # fmt: skip

TEXTS = st.text(st.characters(codec=None), max_size=20)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
    | st.sampled_from(["\0", "\ud800", "..", "default", 1e308, 10**400, -1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            found += places(inner, (*path, key))
    return found


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@st.composite
def bodies(draw: st.DrawFn, path: str) -> Any:
    """The good body with one or two places changed, or anything at all."""
    body: Any = FIELDS[path]
    for _ in range(draw(st.integers(1, 2))):
        body = replaced(body, draw(st.sampled_from(places(body))), draw(VALUES))
    if isinstance(body, dict) and draw(st.booleans()):
        body = {**body, draw(TEXTS): draw(VALUES)}
    return body


@pytest.mark.parametrize("path", FIELDS)
def test_json_bodies(services, path):
    client = TestClient(create_app(services))

    @settings(
        max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(bodies(path))
    def check(body: Any) -> None:
        if path == "/v1/embeddings" and isinstance(body, dict) and body.get("model") is None:
            body = {**body, "model": services.settings.embedder.model}
        response = client.post(
            path, content=json.dumps(body), headers={"Content-Type": "application/json"}
        )
        assert response.status_code in (200, 201, 202, 400, 404, 409, 413, 422), response.text
        if response.status_code >= 400:
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["status"] == response.status_code

    check()


ASK = {"type": "ask", "id": "q", "conversation": "c", "collection": "default", "question": "x",
       "top_k": 3, "filters": {"authors": ["x"]}, "options": {}, "mode": "extractive"}  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(data=st.data())
def test_messages_of_chats(services, data):
    """What is no message is a problem of the client's."""
    kind = data.draw(st.sampled_from(["ask", "resume", "cancel", "pong"]))
    message: Any = ASK | {"type": kind}
    for _ in range(data.draw(st.integers(1, 2))):
        message = replaced(message, data.draw(st.sampled_from(places(message))), data.draw(VALUES))
    text = data.draw(st.just(json.dumps(message)) | TEXTS)
    try:
        chat_messages.read(text, services.settings)
    except SmartyPantsError as exc:
        assert 400 <= exc.status < 500  # noqa: PT017


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(
    path=st.sampled_from(list(FIELDS)),
    content=st.binary(max_size=60),
    kind=st.sampled_from(["application/json", "multipart/form-data; boundary=x", "text/plain"]),
)
def test_bytes(services, path, content, kind):
    client = TestClient(create_app(services))
    response = client.post(path, content=content, headers={"Content-Type": kind})
    assert 400 <= response.status_code < 500


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(
    path=st.sampled_from(["/v1/documents", "/v1/jobs", "/v1/collections/x", "/v1/models/x"]),
    name=st.sampled_from(["limit", "cursor", "state", "job_id", "collection", "x"]),
    value=st.text(max_size=20),
)
def test_parameters(services, path, name, value):
    client = TestClient(create_app(services))
    assert client.get(path, params={name: value}).status_code in (200, 404, 422)
