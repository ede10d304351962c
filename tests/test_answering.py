from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from smartypants.answering import answer, pack, relevant
from smartypants.errors import InvalidRequest, LLMUnavailable
from smartypants.prompts import NOT_FOUND
from smartypants.settings import AnswerSettings
from smartypants.types import (
    Answer,
    AnswerEvent,
    Citation,
    Delta,
    Message,
    Query,
    SamplingParams,
    SearchHit,
    SearchResult,
    Step,
    Understanding,
)
from tests.hits import hit

FACT = "The buoy weighs 74 kilograms and floats upright."
QUERY = Query("How heavy is the buoy?", "docs", request_id="r1")


class Model:
    """Says what it is told to, and remembers what it was asked."""

    def __init__(self, *pieces: str, longest: int = 10**6) -> None:
        self.pieces = pieces
        self.longest = longest
        self.prompts: list[str] = []
        self.closed = 0

    async def __call__(
        self, messages: Sequence[Message], params: SamplingParams, request_id: str
    ) -> AsyncGenerator[Delta, None]:
        prompt = "\n".join(message.content for message in messages)
        self.prompts.append(prompt)
        if len(prompt) > self.longest:
            raise InvalidRequest("too long")
        try:
            for piece in self.pieces:
                yield Delta(piece)
            yield Delta("", "stop", 7, len(self.pieces))
        finally:
            self.closed += 1


def ask(model: Model, *hits: SearchHit) -> list[AnswerEvent]:
    async def search(query: Query) -> SearchResult:
        return SearchResult(hits, skipped={"rerank": "none"}, timings_ms={"dense": 1.0})

    async def collect() -> list[AnswerEvent]:
        events = answer(
            QUERY, SamplingParams(), search=search, generate=model, settings=AnswerSettings()
        )
        return [event async for event in events]

    return asyncio.run(collect())


def test_the_whole_question_is_asked() -> None:
    model = Model("It weighs 74 kilograms.")
    whole = Understanding("buoy weight", "How heavy is the Petrel buoy?", "docs")

    async def search(query: Query) -> SearchResult:
        return SearchResult((hit(FACT),), trace=(Step("rewrite", 3.0),), understood=whole)

    async def last() -> AnswerEvent:
        events = answer(
            QUERY, SamplingParams(), search=search, generate=model, settings=AnswerSettings()
        )
        return [event async for event in events][-1]

    answered = asyncio.run(last())
    assert whole.question in model.prompts[0]
    assert QUERY.text not in model.prompts[0]
    assert isinstance(answered, Answer)
    assert (answered.understood, answered.trace) == (whole, (Step("rewrite", 3.0),))


def test_without_a_dense_leg_similarity_decides_nothing() -> None:
    async def search(query: Query) -> SearchResult:
        found = SearchHit(hit(FACT).chunk, 1.0, {"bm25": 3.0}, "T", "file:///a", "s")
        return SearchResult((found,), skipped={"dense": "its weight is 0"})

    async def last() -> AnswerEvent:
        model = Model("The buoy weighs 74 kilograms.")
        events = answer(
            QUERY, SamplingParams(), search=search, generate=model, settings=AnswerSettings()
        )
        return [event async for event in events][-1]

    answered = asyncio.run(last())
    assert isinstance(answered, Answer)
    assert answered.found


def test_hits_then_tokens_and_citations_then_the_whole() -> None:
    model = Model("The buoy weighs ", "74 kilograms", ".")
    events = ask(model, hit(FACT))
    assert isinstance(events[0], SearchResult)
    whole = events[-1]
    assert isinstance(whole, Answer)
    assert whole.text == "The buoy weighs 74 kilograms. [1]"
    assert whole.text == "".join(event.text for event in events if isinstance(event, Delta))
    assert [event for event in events if isinstance(event, Citation)] == list(whole.citations)
    assert (whole.found, whole.finish_reason, whole.completion_tokens) == (True, "stop", 3)
    assert whole.skipped == {"rerank": "none"}
    assert {"search", "first_token", "total", "dense"} <= set(whole.timings_ms)


def test_prompt_holds_the_passages_and_the_question() -> None:
    model = Model("x")
    ask(model, hit(FACT))
    assert FACT in model.prompts[0]
    assert QUERY.text in model.prompts[0]


@pytest.mark.parametrize("hits", [(), (hit(FACT, similarity=0.05),)])
def test_nothing_relevant_is_said_without_asking_a_model(hits: tuple[SearchHit, ...]) -> None:
    model = Model("an invention")
    whole = ask(model, *hits)[-1]
    assert isinstance(whole, Answer)
    assert (whole.text, whole.found, whole.citations) == (NOT_FOUND, False, ())
    assert model.prompts == []


def test_prompt_that_is_too_long_after_all_is_asked_with_fewer_passages() -> None:
    hits = [hit(f"{FACT} {'word ' * 40}{number}", f"d{number}") for number in range(4)]
    model = Model("The buoy weighs 74 kilograms.", longest=1000)
    whole = ask(model, *hits)[-1]
    assert isinstance(whole, Answer)
    assert whole.found
    assert len(model.prompts) > 1
    assert len(model.prompts[-1]) <= 1000


def test_prompt_that_is_too_long_with_one_passage_is_an_error() -> None:
    with pytest.raises(InvalidRequest):
        ask(Model("x", longest=10), hit(FACT))


def test_reader_that_leaves_closes_the_model() -> None:
    model = Model("one ", "two ", "three ")

    async def search(query: Query) -> SearchResult:
        return SearchResult((hit(FACT),))

    async def leave() -> None:
        events = answer(
            QUERY, SamplingParams(), search=search, generate=model, settings=AnswerSettings()
        )
        async for event in events:
            if isinstance(event, Delta):
                break
        await events.aclose()
        assert model.closed == 1

    asyncio.run(leave())


def test_failing_model_is_not_hidden() -> None:
    class Broken(Model):
        async def __call__(
            self, messages: Sequence[Message], params: SamplingParams, request_id: str
        ) -> AsyncGenerator[Delta, None]:
            yield Delta("The buoy")
            raise LLMUnavailable("gone")

    with pytest.raises(LLMUnavailable):
        ask(Broken(), hit(FACT))


def test_packing_keeps_the_best_drops_doubles_and_never_ends_empty() -> None:
    hits = [hit("a " * 300, "d1"), hit("a " * 300, "d2"), hit("b " * 300, "d3"), hit("c", "d4")]
    assert [item.chunk.document_id for item in pack(hits, budget=230)] == ["d1", "d4"]
    assert len(pack(hits, budget=1)) == 1


def test_one_close_hit_makes_all_relevant() -> None:
    hits = [hit("x", similarity=0.1), hit("y", "b", similarity=0.4)]
    assert relevant(hits, min_similarity=0.25) == hits
    assert relevant(hits, min_similarity=0.5) == []
