"""Providers on real sockets, and how to ask them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from smartypants.llms.anthropic import AnthropicLLM
from smartypants.llms.openai import OpenAILLM
from smartypants.protocols import LLM
from smartypants.providers.timeouts import Timeouts
from smartypants.testing import QUESTION, ProviderServer
from smartypants.types import Delta, SamplingParams
from tests.canaries import canary

KEY = canary("sk-very-secret-key")
SILENT = ("hang", "hang_mid_stream", "drip")


def limits(fault: str) -> Timeouts:
    """Short where a fault is to run into them, else such that a busy machine does not."""
    if fault in SILENT:
        return Timeouts(connect_s=10.0, first_token_s=1.0, between_tokens_s=0.3, total_s=30.0)
    return Timeouts(connect_s=10.0, first_token_s=60.0, between_tokens_s=60.0, total_s=60.0)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_LLM_KEY", KEY)


@pytest.fixture(scope="session", autouse=True)
def _vendors_are_imported() -> None:
    """What the vendors' clients import at their first call takes longer than our time limits."""
    with ProviderServer() as server:
        collect(lambda: OpenAILLM("m", api_base=server.url))
        collect(lambda: AnthropicLLM("m", api_base=server.url))


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        yield server


def collect(make: Callable[[], LLM], params: SamplingParams | None = None) -> list[Delta]:
    """What a new LLM answers, in an event loop of its own."""

    async def run() -> list[Delta]:
        llm = make()
        stream = llm.generate(QUESTION, params or SamplingParams(), request_id="r")
        return [delta async for delta in stream]

    return asyncio.run(run())
