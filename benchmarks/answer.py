"""Time to the first token and tokens a second, beside the bare vLLM engine.

1, 4 and 16 streams at once; each asks, reads to the end, asks again. The same prompts in the
same order, 64 tokens at most, temperature 0, after a warm-up:

- HTTP: `POST /v1/chat/completions` with `stream`, against the running graph.
- engine: `smartypants.llms.vllm.VllmLLM` with the same arguments, in a fresh process, after the
  system has ended; each token by itself as vLLM gives it (`llm.max_stream_interval` 1).
  Environment variables are each one's own: Ray sets OMP_NUM_THREADS in its workers, the bare
  engine has what the shell has.

The time to the first token is the median over requests; tokens a second are all completion
tokens of a level over its duration. `/v1/answers` (search, then a longer prompt) is measured at
one stream, for information.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.table import Table

from benchmarks import _beir, _common
from benchmarks._common import Figures
from smartypants import wiring
from smartypants.protocols import Engine
from smartypants.settings import Settings
from smartypants.types import Message, SamplingParams

REQUESTS = {1: 12, 4: 4, 16: 3}
QUICK_REQUESTS = {1: 2, 4: 1, 16: 1}
"""Streams → requests of each."""
MAX_TOKENS = 64
ANSWERS = 4
PARAGRAPHS = 40


@dataclass(frozen=True, slots=True)
class Timing:
    """One request: seconds to the first text, tokens in all."""

    first_s: float
    tokens: int


Ask = Callable[[str], Awaitable[Timing]]


@dataclass(frozen=True, slots=True)
class Level:
    """What so many streams saw."""

    timings: Sequence[Timing]
    seconds: float

    @property
    def ttft_ms(self) -> float:
        return 1000 * _common.percentile([timing.first_s for timing in self.timings], 0.5)

    @property
    def tokens_per_s(self) -> float:
        return sum(timing.tokens for timing in self.timings) / self.seconds


def main() -> None:
    parser = _common.arguments("answer", __doc__)
    parser.add_argument("--data", type=Path, default=_common.DATA / "xquad", metavar="DIR",
                        help="a set in BEIR form for /v1/answers; default: xquad")  # fmt: skip
    options = parser.parse_args()
    requests = QUICK_REQUESTS if options.quick else REQUESTS
    with _common.data_dir(options.reuse) as data_dir:
        settings = _common.own_settings(data_dir, ingest=_common.AT_REST)
        answers: list[float] = []
        with _common.running(settings) as url:
            served = asyncio.run(over_http(url, settings, requests))
            if options.data.exists():
                answers = ask_corpus(settings, url, options.data, data_dir / "corpora" / "answer")
        alone = _common.alone(bare_engine, settings, requests)
    figures = summary(served, alone)
    if answers:
        figures["answer.answers_ttft_ms@1"] = _common.percentile(answers, 0.5)
    _common.show(_table(served, alone, figures))
    _common.write_json(options.json, figures)


async def over_http(url: str, settings: Settings, requests: dict[int, int]) -> dict[int, Level]:
    """The levels, against the running system."""
    async with httpx.AsyncClient(base_url=url, timeout=300) as client:

        async def ask(prompt: str) -> Timing:
            started, first = time.perf_counter(), 0.0
            body = {
                "model": settings.llm.name,
                "messages": [{"role": "user", "content": prompt}],
                "max_tokens": MAX_TOKENS,
                "temperature": 0,
                "stream": True,
                "stream_options": {"include_usage": True},
            }
            async for chunk in events(client, "/v1/chat/completions", body):
                if not first and any(choice["delta"].get("content") for choice in chunk["choices"]):
                    first = time.perf_counter() - started
                if usage := chunk.get("usage"):
                    return Timing(first, usage["completion_tokens"])
            raise RuntimeError("the stream ended without its usage")

        return await levels(ask, requests)


async def events(
    client: httpx.AsyncClient, path: str, body: dict[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    """The JSON of each server-sent event; raises `RuntimeError` for an error."""
    async with client.stream("POST", path, json=body) as response:
        if response.is_error:
            raise RuntimeError(f"{response.status_code}: {(await response.aread()).decode()}")
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                yield json.loads(line.removeprefix("data: "))


def bare_engine(settings: Settings, requests: dict[int, int]) -> dict[int, Level]:
    """The levels, with the engine in this process."""
    return asyncio.run(_engine(settings, requests))


async def _engine(settings: Settings, requests: dict[int, int]) -> dict[int, Level]:
    bare = settings.llm.model_copy(update={"max_stream_interval": 1})
    llm = wiring.make_llm(settings.model_copy(update={"llm": bare}))
    assert isinstance(llm, Engine)
    params = SamplingParams(max_tokens=MAX_TOKENS, temperature=0.0)

    async def ask(prompt: str) -> Timing:
        started, first, tokens = time.perf_counter(), 0.0, 0
        async for delta in llm.generate([Message("user", prompt)], params, request_id=prompt):
            if not first and delta.text:
                first = time.perf_counter() - started
            tokens = delta.completion_tokens
        return Timing(first, tokens)

    try:
        await llm.start()
        return await levels(ask, requests)
    finally:
        llm.shutdown()


async def levels(ask: Ask, requests: dict[int, int]) -> dict[int, Level]:
    """One level of streams after the other; no prompt comes twice."""
    await ask(_prompt("warm-up", 0))
    found = {}
    for streams, each in requests.items():
        prompts = [[_prompt(f"{streams}-{i}", j) for j in range(each)] for i in range(streams)]
        started = time.perf_counter()

        async def stream(mine: list[str]) -> list[Timing]:
            return [await ask(prompt) for prompt in mine]

        timings = await asyncio.gather(*(stream(mine) for mine in prompts))
        seconds = time.perf_counter() - started
        found[streams] = Level([timing for mine in timings for timing in mine], seconds)
    return found


def _prompt(stream: str, number: int) -> str:
    # What differs comes first: the engine's prefix cache must not know more than the template.
    return f"Note {stream}/{number}. Write a long story about a lighthouse keeper and the sea."


def ask_corpus(settings: Settings, url: str, data: Path, corpus: Path) -> list[float]:
    """Milliseconds to the first token of cited answers over a small corpus."""
    found = _beir.load(data)
    passages = found.corpus[:PARAGRAPHS]
    _beir.write_corpus(passages, corpus)
    _common.index(settings, corpus, "answer")
    known = {passage.id for passage in passages}
    questions = [
        found.queries[query] for query, judged in found.qrels.items() if known & set(judged)
    ]
    return asyncio.run(_answers(url, questions[: ANSWERS + 1]))


async def _answers(url: str, questions: list[str]) -> list[float]:
    async with httpx.AsyncClient(base_url=url, timeout=300) as client:
        times = []
        for question in questions:
            body = {"question": question, "collection": "answer", "stream": True, "max_tokens": 16}
            started = time.perf_counter()
            async for event in events(client, "/v1/answers", body):
                if "text" in event:  # only `token` events have it
                    times.append(1000 * (time.perf_counter() - started))
                    break
    return times[1:]


def summary(served: dict[int, Level], alone: dict[int, Level]) -> Figures:
    figures: Figures = {}
    for streams, level in served.items():
        engine = alone[streams]
        figures |= {
            f"answer.ttft_ms@{streams}": level.ttft_ms,
            f"answer.tokens_per_s@{streams}": level.tokens_per_s,
            f"answer.engine_ttft_ms@{streams}": engine.ttft_ms,
            f"answer.engine_tokens_per_s@{streams}": engine.tokens_per_s,
            f"answer.tokens_over_engine@{streams}": level.tokens_per_s / engine.tokens_per_s,
            f"answer.ttft_overhead_ms@{streams}": level.ttft_ms - engine.ttft_ms,
        }
    figures["answer.ttft_overhead_ms"] = figures["answer.ttft_overhead_ms@1"]
    return figures


def _table(served: dict[int, Level], alone: dict[int, Level], figures: Figures) -> Table:
    table = Table(
        "streams", "", "first token ms", "tokens/s", "over engine",
        title=f"Answer, {MAX_TOKENS} tokens",
    )  # fmt: skip
    for streams in served:
        over = f"{figures[f'answer.tokens_over_engine@{streams}']:.2f}"
        for kind, level, ratio in (
            ("HTTP", served[streams], over),
            ("engine", alone[streams], ""),
        ):
            row = [f"{level.ttft_ms:.0f}", f"{level.tokens_per_s:.1f}", ratio]
            table.add_row(str(streams), kind, *row)
    if "answer.answers_ttft_ms@1" in figures:
        table.add_row("1", "/v1/answers", f"{figures['answer.answers_ttft_ms@1']:.0f}", "", "")
    return table


if __name__ == "__main__":
    main()
