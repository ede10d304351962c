"""A cited answer: retrieve → pack → prompt → generate → align, over plain async callables.

Where the language model is not wanted, or not to be had, the documents' own sentences answer.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from smartypants.answerability import answerability
from smartypants.citing import Aligner, CitationStream
from smartypants.errors import DeadlineExceeded, InvalidRequest, Unavailable
from smartypants.extractive import extract
from smartypants.options.answering import AnswerSettings
from smartypants.packing import CountTokens, estimated_tokens
from smartypants.prompts import NOT_FOUND
from smartypants.prompts.defaults import default_prompt
from smartypants.prompts.fitting import Fitted, Window, fit
from smartypants.prompts.inputs import Inputs, answer_inputs
from smartypants.prompts.kinds import Kind
from smartypants.prompts.template import Prompt
from smartypants.safety import consistency
from smartypants.safety.options import SafetySettings
from smartypants.safety.policy import Safety
from smartypants.safety.responding import REFUSED
from smartypants.types import (
    Answer,
    AnswerEvent,
    AnswerMode,
    Delta,
    Message,
    Query,
    SamplingParams,
    SearchHit,
    SearchResult,
)

Generate = Callable[[Sequence[Message], SamplingParams, str], AsyncGenerator[Delta, None]]

CAREFUL = Safety(SafetySettings())

FALLBACK_S = 0.25
"""Kept back from a request's deadline for an extractive answer, should the model be late."""

UNKNOWN_WINDOW = 10**9
"""Of a model of which nobody said what it takes: it refuses what is too long itself."""


async def answer(
    query: Query,
    sampling: SamplingParams,
    *,
    search: Callable[[Query], Awaitable[SearchResult]],
    generate: Generate,
    settings: AnswerSettings,
    mode: AnswerMode = "generated",
    count_tokens: CountTokens = estimated_tokens,
    prompt: Prompt | None = None,
    window_tokens: int = UNKNOWN_WINDOW,
    safety: Safety = CAREFUL,
) -> AsyncGenerator[AnswerEvent, None]:
    """The hits, then text and citations as they come, then the whole answer.

    If nothing relevant is found, the answer says so and no model is asked. If the model is
    down, overloaded or late before its first word, the answer is extractive and
    `skipped["generate"]` says why; afterwards, the answer ends with what there is, and its
    finish reason is `error` (what was streamed can't be taken back). With `fallback: error`
    both raise: `Unavailable`, `DeadlineExceeded`. Raises what `search` does. All text that is
    given has been through `safety`, and citations are found for it as it is given.
    """
    started = time.perf_counter()
    result = await search(query)
    if result.understood is not None:  # an earlier turn's question made whole, without filters
        query = replace(query, text=result.understood.question)
    hits = await safety.screened(result.hits)
    if "dense" not in result.skipped:
        hits = relevant(query.text, hits, settings=settings)
    timings = {**result.timings_ms, "search": _since(started)}
    yield replace(result, hits=tuple(hits))
    made = Answer(
        NOT_FOUND,
        found=False,
        mode=mode,
        skipped=result.skipped,
        timings_ms=timings,
        trace=result.trace,
        understood=result.understood,
    )
    usable = safety.usable(hits)
    if not usable:
        yield Delta(NOT_FOUND)
        yield replace(made, hits=tuple(hits), warnings=consistency.suspicions(hits))
        return
    made = replace(made, text="", found=True, hits=tuple(hits))

    if mode == "extractive":
        async for event in _extractive(query, made, usable, settings.sentences, started, safety):
            yield event
        return

    inputs = _inputs(query, result)
    fitted = fit(
        prompt or default_prompt(Kind.ANSWER),
        usable,
        inputs=lambda passages: inputs(safety.contained(passages)),
        context_tokens=settings.context_tokens,
        window=Window(window_tokens, count_tokens),
        max_tokens=sampling.max_tokens,
    )
    made = replace(made, prompt=fitted.prompt.ref, skipped={**made.skipped, **fitted.skipped})
    stream = CitationStream(Aligner(fitted.hits, min_support=settings.min_support))
    response = safety.response()
    final = Delta("")
    broken: Exception | None = None
    try:
        generated = _generate(query, fitted, sampling, generate)
        async with aclosing(response.process(generated)) as deltas:
            async for delta in deltas:
                if delta.text and "first_token" not in timings:
                    timings["first_token"] = _since(started)
                for event in stream.feed(delta.text):
                    yield event
                final = delta
    except (Unavailable, DeadlineExceeded) as exc:
        if settings.fallback == "error":
            raise
        broken = exc
        made = replace(made, skipped={**made.skipped, "generate": str(broken)})
    if broken is not None and stream.text:
        for event in stream.feed(await response.finish()):
            yield event
    for event in stream.finish():
        yield event
    if not stream.text.strip() and settings.fallback == "extractive":
        made = replace(made, skipped={"generate": "the model said nothing", **made.skipped})
        async for event in _extractive(query, made, usable, settings.sentences, started, safety):
            yield event
        return
    timings["total"] = _since(started)
    yield replace(
        made,
        text=stream.text.strip(),
        citations=tuple(stream.citations),
        finish_reason="error" if broken else final.finish_reason or "stop",
        prompt_tokens=final.prompt_tokens,
        completion_tokens=final.completion_tokens,
        supported_sentences=stream.supported,
        sentences=stream.sentences,
        timings_ms=timings,
        warnings=(*response.notices(), *consistency.notices(query.text, stream.text, hits)),
    )


async def _extractive(
    query: Query,
    made: Answer,
    hits: Sequence[SearchHit],
    sentences: int,
    started: float,
    safety: Safety,
) -> AsyncGenerator[AnswerEvent, None]:
    """The same events, the text being sentences of the documents, each with its citation."""
    citations = extract(query.text, hits, sentences=sentences)
    responses = [safety.response() for _ in citations]
    texts = [
        f"{await response.whole(' '.join(item.passage.split()))} [{item.number}]"
        for response, item in zip(responses, citations, strict=True)
    ]
    refused = next((response for response in responses if response.refused), None)
    if refused is not None:
        yield Delta(REFUSED)
        yield replace(
            made,
            text=REFUSED,
            finish_reason="content_filter",
            mode="extractive",
            warnings=refused.notices(),
        )
        return
    for place, (text, citation) in enumerate(zip(texts, citations, strict=True)):
        yield Delta(text if place == 0 else f" {text}")
        yield citation
    told = dict.fromkeys(notice for response in responses for notice in response.notices())
    yield replace(
        made,
        warnings=(*told, *consistency.notices(query.text, " ".join(texts), made.hits)),
        text=" ".join(texts),
        found=bool(texts),
        citations=tuple(citations),
        supported_sentences=len(texts),
        sentences=len(texts),
        mode="extractive",
        prompt=None,
        timings_ms={**made.timings_ms, "total": _since(started)},
    )


async def _generate(
    query: Query, fitted: Fitted, sampling: SamplingParams, generate: Generate
) -> AsyncGenerator[Delta, None]:
    """Generate; if the prompt is too long for the model after all, with fewer passages."""
    while True:
        messages = fitted.messages()
        begun = False
        try:
            async with aclosing(generate(messages, sampling, query.request_id)) as deltas:
                async for delta in deltas:
                    begun = True
                    yield delta
            return
        except InvalidRequest:
            if begun or len(fitted.hits) == 1:
                raise
            fitted.hits.pop()


def _inputs(query: Query, result: SearchResult) -> Callable[[Sequence[SearchHit]], Inputs]:
    def made(hits: Sequence[SearchHit]) -> Inputs:
        return answer_inputs(
            query.text,
            hits,
            history=query.history,
            language=None if result.understood is None else result.understood.language,
            collection=query.collection,
        )

    return made


def relevant(
    question: str, hits: Sequence[SearchHit], *, settings: AnswerSettings
) -> list[SearchHit]:
    """All hits if they are likely to hold an answer, else none."""
    likely = answerability(question, hits) >= settings.min_answerability
    return list(hits) if likely else []


def repeatable(sampling: SamplingParams, *, mode: AnswerMode) -> bool:
    """Whether the same question over the same passages is to have the same answer."""
    return mode == "extractive" or sampling.temperature == 0


def generation_deadline(deadline: float | None, settings: AnswerSettings) -> float | None:
    """Until when the model may take, in Unix seconds, so that a fallback still is in time."""
    if deadline is None or settings.fallback == "error":
        return deadline
    return deadline - FALLBACK_S


def _since(started: float) -> float:
    return round(1000 * (time.perf_counter() - started), 2)
