"""What any `LLM` does."""

from __future__ import annotations

import asyncio

import pytest

from smartypants.errors import InvalidRequest
from smartypants.protocols import LLM
from smartypants.types import Delta, Message, SamplingParams

QUESTION = (Message("user", "What is the capital of France? Answer in one sentence."),)


class LLMContract:
    """What any `LLM` does. Give the fixtures `llm` and `runner`, whose loop the LLM lives in.

    @pytest.fixture(scope="module")
    def runner():
        with asyncio.Runner() as runner:
            yield runner

    @pytest.fixture(scope="module")
    def llm():
        return MyLLM()

    class TestMyLLM(LLMContract):
        pass
    """

    def test_only_the_last_delta_is_final(self, llm: LLM, runner: asyncio.Runner) -> None:
        deltas = runner.run(_collect(llm, SamplingParams(max_tokens=12)))
        assert [delta.finish_reason is not None for delta in deltas].index(True) == len(deltas) - 1
        assert "".join(delta.text for delta in deltas).strip()

    def test_final_delta_counts_tokens(self, llm: LLM, runner: asyncio.Runner) -> None:
        final = runner.run(_collect(llm, SamplingParams(max_tokens=12)))[-1]
        assert 0 < final.prompt_tokens <= llm.count_tokens(QUESTION)
        assert 0 < final.completion_tokens <= 12

    def test_max_tokens_ends_with_length(self, llm: LLM, runner: asyncio.Runner) -> None:
        final = runner.run(_collect(llm, SamplingParams(max_tokens=2)))[-1]
        assert (final.finish_reason, final.completion_tokens) == ("length", 2)

    def test_streams_piecewise(self, llm: LLM, runner: asyncio.Runner) -> None:
        assert len(runner.run(_collect(llm, SamplingParams(max_tokens=8)))) > 2

    def test_concurrent_requests_keep_apart(self, llm: LLM, runner: asyncio.Runner) -> None:
        async def four() -> list[list[Delta]]:
            # The same id on purpose: ids are the caller's, and callers repeat themselves.
            params = SamplingParams(max_tokens=8)
            return await asyncio.gather(*(_collect(llm, params) for _ in range(4)))

        texts = ["".join(delta.text for delta in deltas) for deltas in runner.run(four())]
        assert len(set(texts)) == 1

    def test_usable_after_a_reader_left(self, llm: LLM, runner: asyncio.Runner) -> None:
        async def leave() -> Delta:
            params = SamplingParams(max_tokens=200)
            stream = llm.generate(QUESTION, params, request_id="leaves")
            first = await anext(stream)
            await stream.aclose()
            return first

        assert runner.run(leave()).finish_reason is None
        assert runner.run(_collect(llm, SamplingParams(max_tokens=4)))

    def test_prompt_that_does_not_fit(self, llm: LLM, runner: asyncio.Runner) -> None:
        long = (Message("user", "word " * 2 * llm.context_window),)
        with pytest.raises(InvalidRequest):
            runner.run(_collect(llm, SamplingParams(max_tokens=4), long))

    def test_longer_conversations_count_more(self, llm: LLM) -> None:
        assert llm.count_tokens(QUESTION) > 0
        assert llm.count_tokens(QUESTION * 2) > llm.count_tokens(QUESTION)


async def _collect(
    llm: LLM, params: SamplingParams, messages: tuple[Message, ...] = QUESTION
) -> list[Delta]:
    return [delta async for delta in llm.generate(messages, params, request_id="contract")]
