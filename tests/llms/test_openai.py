"""The OpenAI client against a real socket whose server misbehaves on demand."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from smartypants.errors import (
    InvalidRequest,
    LLMUnavailable,
    Overloaded,
    SetupError,
    SmartyPantsError,
)
from smartypants.llms.openai import OpenAILLM
from smartypants.providers.timeouts import Timeouts
from smartypants.testing import QUESTION, LLMContract
from smartypants.types import Delta, Message, SamplingParams

KEY = "sk-very-secret-key"
WORDS = ["The", " capital", " of", " France", " is", " Paris", "."]
SEEN: list[dict[str, object]] = []
LEFT = threading.Event()


def chunk(**fields: object) -> str:
    base = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return f"data: {json.dumps({**base, **fields})}\n\n"


def piece(text: str | None, finish: str | None = None) -> str:
    delta = {} if text is None else {"content": text}
    return chunk(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


async def good(request: Request, body: dict[str, object]) -> AsyncIterator[str]:
    limit = body["max_tokens"]
    assert isinstance(limit, int)
    words = WORDS[:limit]
    for word in words:
        yield piece(word)
    yield piece(None, "length" if limit < len(WORDS) else "stop")
    yield chunk(choices=[], usage={"prompt_tokens": 9, "completion_tokens": len(words)})
    yield "data: [DONE]\n\n"


async def endless(request: Request, body: dict[str, object]) -> AsyncIterator[str]:
    try:
        while True:
            yield piece("again ")
            await asyncio.sleep(0.02)
    finally:
        LEFT.set()


async def cut(request: Request, body: dict[str, object]) -> AsyncIterator[str]:
    yield piece("The")
    raise ConnectionResetError


async def ends_early(request: Request, body: dict[str, object]) -> AsyncIterator[str]:
    yield piece("The")


async def garbage(request: Request, body: dict[str, object]) -> AsyncIterator[str]:
    yield piece("The")
    yield "data: {not json\n\n"


async def odd_shape(request: Request, body: dict[str, object]) -> AsyncIterator[str]:
    yield 'data: {"choices": [{"delta": null}]}\n\n'


async def error_event(request: Request, body: dict[str, object]) -> AsyncIterator[str]:
    yield f'data: {{"error": {{"message": "out of memory {KEY}"}}}}\n\n'


STREAMS = {
    stream.__name__: stream
    for stream in (good, endless, cut, ends_early, garbage, odd_shape, error_event)
}


async def completions(request: Request) -> Response:
    body = await request.json()
    SEEN.append({**body, "authorization": request.headers["authorization"]})
    model = body["model"]
    if model.isdigit():
        message = f"no, and your key is {request.headers['authorization']}"
        return JSONResponse({"error": {"message": message}}, status_code=int(model))
    if model == "hang":
        await asyncio.sleep(30)
    if model == "html":
        return PlainTextResponse("<html>welcome</html>")
    if len(body["messages"][0]["content"]) > 1000:
        return JSONResponse({"error": {"message": "context length exceeded"}}, status_code=400)
    return StreamingResponse(STREAMS[model](request, body), media_type="text/event-stream")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    app = Starlette(routes=[Route("/v1/chat/completions", completions, methods=["POST"])])
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="critical", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/v1"
    server.should_exit = True
    thread.join(timeout=5)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_LLM_KEY", KEY)


def ask(
    endpoint: str, model: str, params: SamplingParams | None = None, *, timeout_s: float = 10
) -> list[Delta]:
    async def run() -> list[Delta]:
        llm = OpenAILLM(
            model,
            api_base=endpoint,
            credential="env:TEST_LLM_KEY",
            timeouts=Timeouts(total_s=timeout_s),
        )
        try:
            stream = llm.generate(QUESTION, params or SamplingParams(), request_id="r")
            return [delta async for delta in stream]
        finally:
            await llm.close()

    return asyncio.run(run())


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def llm(endpoint: str, runner: asyncio.Runner) -> Iterator[OpenAILLM]:
    llm = OpenAILLM("good", api_base=endpoint, context_window=512)
    yield llm
    runner.run(llm.close())


class TestContract(LLMContract):
    pass


def test_answer_with_usage(endpoint: str) -> None:
    deltas = ask(endpoint, "good")
    assert "".join(delta.text for delta in deltas) == "The capital of France is Paris."
    assert deltas[-1] == Delta("", "stop", 9, 7)


def test_what_is_sent(endpoint: str) -> None:
    ask(endpoint, "good", SamplingParams(max_tokens=3, temperature=0.5, stop=("x",), seed=7))
    sent = SEEN[-1]
    assert sent["stream_options"] == {"include_usage": True}
    assert (sent["max_tokens"], sent["temperature"]) == (3, 0.5)
    assert (sent["stop"], sent["seed"]) == (["x"], 7)
    assert sent["authorization"] == f"Bearer {KEY}"


def test_own_endpoint_does_not_get_the_openai_key(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-openai-only")

    async def run() -> None:
        llm = OpenAILLM("good", api_base=endpoint)
        async for _ in llm.generate(QUESTION, SamplingParams(), request_id="r"):
            pass
        await llm.close()

    asyncio.run(run())
    assert SEEN[-1]["authorization"] == "Bearer none"


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("400", InvalidRequest),
        ("404", SetupError),
        ("422", InvalidRequest),
        ("418", InvalidRequest),
        ("401", SetupError),
        ("403", SetupError),
        ("408", LLMUnavailable),
        ("409", LLMUnavailable),
        ("429", Overloaded),
        ("500", LLMUnavailable),
        ("503", LLMUnavailable),
        ("cut", LLMUnavailable),
        ("ends_early", LLMUnavailable),
        ("garbage", LLMUnavailable),
        ("odd_shape", LLMUnavailable),
        ("error_event", LLMUnavailable),
        ("html", LLMUnavailable),
    ],
)
def test_errors_are_ours(endpoint: str, model: str, error: type[SmartyPantsError]) -> None:
    with pytest.raises(SmartyPantsError) as caught:
        ask(endpoint, model)
    assert type(caught.value) is error
    assert KEY not in str(caught.value)


def test_refused_key_names_the_variable(endpoint: str) -> None:
    with pytest.raises(SetupError, match="TEST_LLM_KEY"):
        ask(endpoint, "401")


def test_missing_key_names_the_variable(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_LLM_KEY")
    with pytest.raises(SetupError, match="TEST_LLM_KEY"):
        ask(endpoint, "good")


@pytest.mark.parametrize("model", ["hang", "endless"])
def test_time_limit_holds_for_the_whole_call(endpoint: str, model: str) -> None:
    started = time.monotonic()
    with pytest.raises(LLMUnavailable, match="took more than"):
        ask(endpoint, model, timeout_s=0.3)
    assert time.monotonic() - started < 60


def test_nobody_listens() -> None:
    with pytest.raises(LLMUnavailable, match="can't be reached"):
        ask("http://127.0.0.1:9/v1", "good")


def test_closing_hangs_up(endpoint: str) -> None:
    LEFT.clear()

    async def run() -> None:
        llm = OpenAILLM("endless", api_base=endpoint)
        stream = llm.generate(QUESTION, SamplingParams(), request_id="r")
        await anext(stream)
        await stream.aclose()

    asyncio.run(run())
    assert LEFT.wait(5)


def test_estimate_is_from_above() -> None:
    llm = OpenAILLM("m", api_base="http://127.0.0.1:9/v1")
    assert llm.count_tokens([Message("user", "four score and seven years ago")]) >= 6
    assert llm.count_tokens([Message("user", "巴黎是法国的首都")]) >= 8
