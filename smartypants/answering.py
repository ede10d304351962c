"""A cited answer: retrieve → pack → prompt → generate → align, over plain async callables."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from smartypants.citing import Aligner, CitationStream
from smartypants.errors import InvalidRequest
from smartypants.prompts import NOT_FOUND, answer_messages
from smartypants.settings import AnswerSettings
from smartypants.types import (
    Answer,
    AnswerEvent,
    Delta,
    Message,
    Query,
    SamplingParams,
    SearchHit,
    SearchResult,
)

Generate = Callable[[Sequence[Message], SamplingParams, str], AsyncGenerator[Delta, None]]

_BYTES_PER_TOKEN = 3
"""An estimate from above: the model's own tokenizer has the last word, see `_generate`."""


async def answer(
    query: Query,
    sampling: SamplingParams,
    *,
    search: Callable[[Query], Awaitable[SearchResult]],
    generate: Generate,
    settings: AnswerSettings,
) -> AsyncGenerator[AnswerEvent, None]:
    """The hits, then text and citations as they come, then the whole answer.

    If nothing relevant is found, the answer says so and no model is asked.
    """
    started = time.perf_counter()
    result = await search(query)
    if result.understood is not None:  # an earlier turn's question made whole, without filters
        query = replace(query, text=result.understood.question)
    hits = list(result.hits)
    if "dense" not in result.skipped:
        hits = relevant(hits, min_similarity=settings.min_similarity)
    timings = {**result.timings_ms, "search": _since(started)}
    yield replace(result, hits=tuple(hits))
    if not hits:
        yield Delta(NOT_FOUND)
        yield Answer(
            NOT_FOUND,
            found=False,
            skipped=result.skipped,
            timings_ms=timings,
            trace=result.trace,
            understood=result.understood,
        )
        return

    packed = pack(hits, budget=settings.context_tokens)
    stream = CitationStream(Aligner(packed, min_support=settings.min_support))
    final = Delta("")
    async with aclosing(_generate(query, packed, sampling, generate)) as deltas:
        async for delta in deltas:
            if delta.text and "first_token" not in timings:
                timings["first_token"] = _since(started)
            for event in stream.feed(delta.text):
                yield event
            final = delta
    for event in stream.finish():
        yield event
    timings["total"] = _since(started)
    yield Answer(
        stream.text.strip(),
        found=True,
        citations=tuple(stream.citations),
        hits=tuple(hits),
        finish_reason=final.finish_reason or "stop",
        prompt_tokens=final.prompt_tokens,
        completion_tokens=final.completion_tokens,
        supported_sentences=stream.supported,
        sentences=stream.sentences,
        skipped=result.skipped,
        timings_ms=timings,
        trace=result.trace,
        understood=result.understood,
    )


async def _generate(
    query: Query, packed: list[SearchHit], sampling: SamplingParams, generate: Generate
) -> AsyncGenerator[Delta, None]:
    """Generate; if the prompt is too long for the model after all, with fewer passages."""
    while True:
        messages = answer_messages(query.text, packed)
        begun = False
        try:
            async with aclosing(generate(messages, sampling, query.request_id)) as deltas:
                async for delta in deltas:
                    begun = True
                    yield delta
            return
        except InvalidRequest:
            if begun or len(packed) == 1:
                raise
            packed.pop()


def relevant(hits: Sequence[SearchHit], *, min_similarity: float) -> list[SearchHit]:
    """All hits if any is close to the question in meaning, else none.

    BM25 finds a word anywhere; what only shares words with a question rarely answers it.
    """
    closest = max((hit.scores.get("dense", -1.0) for hit in hits), default=-1.0)
    return list(hits) if closest >= min_similarity else []


def pack(hits: Sequence[SearchHit], *, budget: int) -> list[SearchHit]:
    """The best hits whose passages fit in `budget` tokens, at least one, none twice."""
    packed: list[SearchHit] = []
    seen: set[str] = set()
    used = 0
    for hit in hits:
        text = hit.chunk.searched_text
        cost = len(text.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN + 8
        if hit.chunk.text in seen or (packed and used + cost > budget):
            continue
        seen.add(hit.chunk.text)
        packed.append(hit)
        used += cost
    return packed


def _since(started: float) -> float:
    return round(1000 * (time.perf_counter() - started), 2)
