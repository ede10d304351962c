"""What only Anthropic's protocol has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from smartypants.llms.anthropic import AnthropicLLM
from smartypants.testing import LLMContract, ProviderServer
from smartypants.types import Delta, Message, SamplingParams


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def llm(runner: asyncio.Runner) -> Iterator[AnthropicLLM]:
    with ProviderServer() as server:
        llm = AnthropicLLM("claude", api_base=server.url, context_window=512)
        yield llm
        runner.run(llm.close())


class TestContract(LLMContract):
    pass


def ask(server: ProviderServer, messages: list[Message], params: SamplingParams) -> list[Delta]:
    async def run() -> list[Delta]:
        llm = AnthropicLLM("claude", api_base=server.url, credential="env:TEST_LLM_KEY")
        return [delta async for delta in llm.generate(messages, params, request_id="r")]

    return asyncio.run(run())


def test_answer_with_usage(server: ProviderServer) -> None:
    deltas = ask(server, [Message("user", "Hi")], SamplingParams())
    assert "".join(delta.text for delta in deltas) == "The capital of France is Paris."
    assert deltas[-1] == Delta("", "stop", 9, 7)  # what its cache held is part of the prompt


def test_what_is_sent(server: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "for-anthropic-only")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    said = [Message("system", "Be brief."), Message("user", "Hi"), Message("system", "In verse.")]
    ask(server, said, SamplingParams(max_tokens=3, temperature=0.5, stop=("x",)))
    [asked] = server.asked
    assert asked.path == "/v1/v1/messages"
    assert asked.headers["x-api-key"] == "sk-very-secret-key"
    assert asked.body == {
        "model": "claude",
        "messages": [{"role": "user", "content": "Hi"}],
        "system": "Be brief.\n\nIn verse.",
        "max_tokens": 3,
        "stop_sequences": ["x"],
        "stream": True,
    }


def test_closing_hangs_up(server: ProviderServer) -> None:
    server.steady = "endless"

    async def run() -> None:
        llm = AnthropicLLM("claude", api_base=server.url)
        stream = llm.generate([Message("user", "Hi")], SamplingParams(), request_id="r")
        await anext(stream)
        await stream.aclose()

    asyncio.run(run())
    assert server.left.wait(10)
