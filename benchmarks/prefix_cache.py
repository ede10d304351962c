"""What vLLM's prefix cache saves: time to the first token of several questions about one passage.

Prompts are those of `/v1/answers`: instructions, passages, then the question, so that questions
about the same passages begin alike. Two engines, one with the cache and one without, each in a
fresh process, get the same prompts one after the other: for each of some paragraphs of XQuAD a
first question, which the cache can't help with but for the instructions, then further ones.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from itertools import islice

from rich.table import Table

from benchmarks import _beir, _common
from benchmarks._common import Figures
from smartypants import wiring
from smartypants.prompts import answer_messages
from smartypants.protocols import Engine
from smartypants.settings import Settings
from smartypants.types import Chunk, Message, SamplingParams, SearchHit

PARAGRAPHS, QUICK_PARAGRAPHS = 8, 3
QUESTIONS = 3
PASSAGES = 3
"""In each prompt."""

Timings = Mapping[str, Sequence[float]]
"""Milliseconds to the first token of `first` and of `further` questions."""


def main() -> None:
    parser = _common.arguments("prefix_cache", __doc__)
    options = parser.parse_args()
    groups = _prompts(QUICK_PARAGRAPHS if options.quick else PARAGRAPHS)
    figures: Figures = {}
    with _common.data_dir(options.reuse) as folder:
        for name, cached in (("off", False), ("on", True)):
            settings = _common.own_settings(
                folder, llm={"engine": {"enable_prefix_caching": cached}}
            )
            timings: Timings = _common.alone(measure, settings, groups)
            for which, took in timings.items():
                figures[f"prefix_cache.{which}_ms.{name}"] = _common.percentile(took, 0.5)
    for which in ("first", "further"):
        on, off = (figures[f"prefix_cache.{which}_ms.{name}"] for name in ("on", "off"))
        figures[f"prefix_cache.{which}_on_over_off"] = on / off
    _common.show(_table(figures, sum(len(group) for group in groups)))
    _common.write_json(options.json, figures)


def _prompts(paragraphs: int) -> list[list[list[Message]]]:
    """For each paragraph, that and others near it as passages, the prompts of its questions."""
    data = _beir.load(_common.DATA / "xquad")
    asked: dict[str, list[str]] = {}
    for query_id, judged in data.qrels.items():
        asked.setdefault(next(iter(judged)), []).append(data.queries[query_id])
    places = {item.id: place for place, item in enumerate(data.corpus)}
    groups = []
    for passage_id, questions in islice(asked.items(), 0, paragraphs * PASSAGES, PASSAGES):
        place = min(places[passage_id], len(data.corpus) - PASSAGES)
        hits = [_hit(item.text) for item in data.corpus[place : place + PASSAGES]]
        groups.append([answer_messages(question, hits) for question in questions[:QUESTIONS]])
    return groups


def _hit(text: str) -> SearchHit:
    return SearchHit(Chunk("d", "v", 0, text, 0, len(text)), 1.0, {}, "", "", "")


def measure(settings: Settings, groups: list[list[list[Message]]]) -> Timings:
    return asyncio.run(_measure(settings, groups))


async def _measure(settings: Settings, groups: list[list[list[Message]]]) -> Timings:
    llm = wiring.make_llm(settings)
    assert isinstance(llm, Engine)
    took: dict[str, list[float]] = {"first": [], "further": []}

    async def first_token_ms(messages: list[Message], request_id: str) -> float:
        params = SamplingParams(max_tokens=2, temperature=0.0)
        started, first = time.perf_counter(), 0.0
        async for delta in llm.generate(messages, params, request_id=request_id):
            if not first and delta.text:
                first = time.perf_counter()
        return 1000 * (first - started)

    try:
        await llm.start()
        await first_token_ms([Message("user", "Hello")], "warm-up")
        for group_number, group in enumerate(groups):
            for number, messages in enumerate(group):
                ms = await first_token_ms(messages, f"{group_number}-{number}")
                took["further" if number else "first"].append(ms)
    finally:
        llm.shutdown()
    return took


def _table(figures: Figures, prompts: int) -> Table:
    table = Table(
        "question about the passages", "cache off, ms", "on, ms", "on / off",
        title=f"Time to the first token, median of {prompts} prompts",
    )  # fmt: skip
    for which in ("first", "further"):
        row = [
            f"{figures[f'prefix_cache.{which}_ms.off']:.0f}",
            f"{figures[f'prefix_cache.{which}_ms.on']:.0f}",
            f"{figures[f'prefix_cache.{which}_on_over_off']:.2f}",
        ]
        table.add_row(which, *row)
    return table


if __name__ == "__main__":
    main()
