"""The unmodified OpenAI client against the app on a real port."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Iterator

import httpx
import numpy as np
import openai
import pytest

from smartypants.auth.roles import Role
from smartypants.errors import InvalidRequest, LLMUnavailable, Overloaded
from smartypants.options.answering import LLMSettings
from smartypants.types import Message
from tests.api.conftest import LLM, WORDS
from tests.auth.conftest import key_of, required, served
from tests.ports import free_port

TEXT = "".join(WORDS)
ASK = [{"role": "user", "content": "How long?"}]


@pytest.fixture
def url(services) -> Iterator[str]:
    with served(services, free_port()) as url:
        yield url


@pytest.fixture
def ai(url) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client


def wait_until(condition) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_chat(ai, backend):
    done = ai.chat.completions.create(model=LLM, messages=ASK, max_tokens=9, stop="x", seed=3)
    assert done.choices[0].message.content == TEXT
    assert done.choices[0].finish_reason == "stop"
    usage = done.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (9, 6, 15)
    [(messages, params, request_id)] = backend.chats
    assert messages == [Message("user", "How long?")]
    assert (params.max_tokens, params.temperature, params.seed) == (9, 1.0, 3)
    assert params.stop == ("x",)
    assert request_id


def test_roles_parts_and_the_newer_limit(ai, backend):
    first = ai.chat.completions.create(model=LLM, messages=ASK).choices[0].message
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": parts},
        first.model_dump(),
        {"role": "user", "content": "c", "name": "ann"},
    ]
    ai.chat.completions.create(
        model=LLM, messages=messages, max_completion_tokens=5, temperature=0, top_p=0.5
    )
    messages, params, _ = backend.chats[1]
    roles = [(message.role, message.content) for message in messages]
    assert roles == [
        ("system", "Be brief."),
        ("system", "Be kind."),
        ("user", "ab"),
        ("assistant", TEXT),
        ("user", "c"),
    ]
    assert (params.max_tokens, params.temperature, params.top_p) == (5, 0.0, 0.5)


@pytest.mark.parametrize("include_usage", [True, False])
def test_stream(ai, include_usage):
    options = {"include_usage": include_usage}
    stream = ai.chat.completions.create(
        model=LLM, messages=ASK, stream=True, stream_options=options
    )
    chunks = list(stream)
    with_choices = [chunk for chunk in chunks if chunk.choices]
    assert with_choices[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in with_choices) == TEXT
    reasons = [c.choices[0].finish_reason for c in with_choices]
    assert reasons == [None] * (len(reasons) - 1) + ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert [usage.total_tokens for usage in usages] == ([15] if include_usage else [])


def test_stream_on_the_wire(url):
    body = {"model": LLM, "messages": ASK, "stream": True}
    response = httpx.post(f"{url}/v1/chat/completions", json=body)
    assert response.text.endswith("data: [DONE]\n\n")
    assert '"usage"' not in response.text


def test_harmless_fields_are_ignored(ai):
    ai.chat.completions.create(
        model=LLM,
        messages=ASK,
        n=1,
        user="me",
        metadata={"a": "b"},
        store=False,
        service_tier="auto",
        response_format={"type": "text"},
        frequency_penalty=0,
        logprobs=False,
        tools=[],
        tool_choice="none",
        reasoning_effort="low",
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format/type"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"max_tokens": 1001}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"seed": 2**63}, "seed"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"extra_body": {"best_of": 2}}, "best_of"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages/0/role"),
        ({"messages": [{"role": "user", "content": None}]}, "messages/0/content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages/0/content",
        ),
    ],
)
def test_what_cannot_be_honoured_is_an_error(ai, backend, fields, param):
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        ai.chat.completions.create(**{"model": LLM, "messages": ASK, **fields})
    assert caught.value.param.startswith(param)
    assert caught.value.type == "invalid_request_error"
    assert param in caught.value.message
    assert backend.chats == []


@pytest.mark.parametrize(
    "call",
    [
        lambda ai: ai.chat.completions.create(model="gpt-9", messages=ASK),
        lambda ai: ai.embeddings.create(model="gpt-9", input="x"),
        lambda ai: ai.models.retrieve("gpt-9"),
    ],
)
def test_wrong_model(ai, call):
    with pytest.raises(openai.NotFoundError, match="gpt-9") as caught:
        call(ai)
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InvalidRequest("The prompt is too long.", ""), openai.BadRequestError),
        (Overloaded("Full.", ""), openai.RateLimitError),
        (LLMUnavailable("Down.", ""), openai.InternalServerError),
        (ValueError("hunter2"), openai.InternalServerError),
    ],
)
def test_errors_are_the_clients_own(ai, backend, error, expected, stream):
    backend.error = error
    with pytest.raises(expected) as caught:
        ai.chat.completions.create(model=LLM, messages=ASK, stream=stream)
    assert "hunter2" not in str(caught.value)
    assert caught.value.code


def test_stream_that_breaks_raises(ai, backend):
    backend.error, backend.error_after = LLMUnavailable("The model died.", ""), 2
    stream = ai.chat.completions.create(model=LLM, messages=ASK, stream=True)
    texts = (chunk.choices[0].delta.content for chunk in stream)
    assert [next(texts) for _ in range(3)] == ["", *WORDS[:2]]
    with pytest.raises(openai.APIError, match="The model died"):
        next(texts)


def test_client_that_leaves_a_stream_frees_the_slot(ai, backend):
    backend.endless = True
    stream = ai.chat.completions.create(model=LLM, messages=ASK, stream=True)
    next(iter(stream))
    assert backend.closed == 0
    stream.close()
    wait_until(lambda: backend.closed == 1)


def test_client_that_does_not_wait_frees_the_slot(ai, backend):
    backend.endless = True
    with pytest.raises(openai.APITimeoutError):
        ai.with_options(timeout=0.3).chat.completions.create(model=LLM, messages=ASK)
    wait_until(lambda: backend.closed == 1)


def test_client_that_leaves_a_streamed_answer_frees_the_slot(url, backend):
    backend.endless = True
    body = {"question": "x", "stream": True}
    with httpx.stream("POST", f"{url}/v1/answers", json=body) as response:
        lines = response.iter_lines()
        next(lines)
        assert "smartypants_http_event_streams 1.0" in httpx.get(f"{url}/metrics").text
    wait_until(lambda: backend.closed == 1)
    assert "smartypants_http_event_streams 0.0" in httpx.get(f"{url}/metrics").text


def test_client_that_does_not_wait_for_an_answer_frees_the_slot(url, backend):
    backend.endless = True
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}/v1/answers", json={"question": "x"}, timeout=0.3)
    wait_until(lambda: backend.closed == 1)


@pytest.mark.parametrize("encoding", [None, "float", "base64"])
def test_embeddings(ai, services, encoding):
    model = services.settings.embedder.model
    options = {"encoding_format": encoding} if encoding else {}
    found = ai.embeddings.create(model=model, input=["ab", "abcdef"], **options)
    vectors = [item.embedding for item in found.data]
    if encoding == "base64":
        vectors = [np.frombuffer(base64.b64decode(item), dtype="<f4").tolist() for item in vectors]
    assert vectors == [[2, 0.5, -1], [6, 0.5, -1]]
    assert [item.index for item in found.data] == [0, 1]
    assert (found.usage.prompt_tokens, found.usage.total_tokens) == (3, 3)
    assert len(ai.embeddings.create(model=model, input="one").data) == 1
    assert ai.embeddings.create(model=model, input="x", dimensions=3).data


@pytest.mark.parametrize(
    "fields",
    [{"input": ""}, {"input": []}, {"input": ["a", ""]}, {"input": [1, 2]}, {"input": [[1]]},
     {"input": ["a"] * 2049}, {"dimensions": 2}, {"extra_body": {"task": "x"}}],
)  # fmt: skip
def test_bad_embeddings(ai, services, fields):
    model = services.settings.embedder.model
    with pytest.raises(openai.UnprocessableEntityError):
        ai.embeddings.create(**{"model": model, "input": "x", **fields})


def test_models_of_several_providers(services, backend, remade):
    providers = {
        "one": {"api_base": "http://one/v1", "models": ["small", "big"], "context_window": 400},
        "two": {"api_base": "http://two/v1", "models": ["big"], "context_window": 3000},
    }
    settings = services.settings.model_copy(update={"llm": LLMSettings(providers=providers)})
    client = remade(settings=settings)
    listed = [model["id"] for model in client.get("/v1/models").json()["data"]]
    assert listed == ["small", "big", services.settings.embedder.model]
    for model in ("big", "small"):
        body = {"model": model, "messages": ASK, "max_tokens": 3000}
        assert client.post("/v1/chat/completions", json=body).json()["model"] == model
    assert [params.model for _, params, _ in backend.chats] == ["big", "small"]
    wrong = client.post("/v1/chat/completions", json={"model": "medium", "messages": ASK})
    assert (wrong.status_code, wrong.json()["code"]) == (404, "model_not_found")
    long = {"model": "big", "messages": ASK, "max_tokens": 3001}
    assert client.post("/v1/chat/completions", json=long).status_code == 422


def test_the_clients_key_is_who_it_is(services):
    with served(required(services), free_port()) as url:

        def client(key: str) -> openai.OpenAI:
            return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

        def key(name: str, scopes: list[str] | None = None) -> str:
            return key_of(services.engine, name, Role.READER, scopes)["Authorization"][7:]

        with client("sk-unknown") as stranger, pytest.raises(openai.AuthenticationError) as caught:
            stranger.models.list()
        assert caught.value.code == "credentials_invalid"
        with client(key("ann")) as ann:
            stream = ann.chat.completions.create(model=LLM, messages=ASK, stream=True)
            assert "".join(c.choices[0].delta.content or "" for c in stream) == TEXT
            assert ann.embeddings.create(model=services.settings.embedder.model, input="x").data
        with client(key("bob", ["account"])) as bob, pytest.raises(openai.PermissionDeniedError):
            bob.chat.completions.create(model=LLM, messages=ASK)


def test_the_async_client(url):
    async def ask() -> str:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as ai:
            assert LLM in [model.id async for model in await ai.models.list()]
            stream = await ai.chat.completions.create(model=LLM, messages=ASK, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert asyncio.run(ask()) == TEXT


def test_models(ai, services):
    names = [model.id for model in ai.models.list()]
    assert names == [LLM, services.settings.embedder.model]
    assert ai.models.retrieve(LLM).id == LLM
