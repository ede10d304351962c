"""As many passages as fit, and the default where a template leaves no room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartypants.answering import answer
from smartypants.options.answering import AnswerSettings
from smartypants.packing import estimated_tokens
from smartypants.prompts.defaults import default_prompt
from smartypants.prompts.fitting import Window, fit
from smartypants.prompts.inputs import answer_inputs
from smartypants.prompts.kinds import Kind
from smartypants.prompts.template import Prompt, readable
from smartypants.types import (
    Answer,
    AnswerMode,
    Delta,
    Message,
    PromptRef,
    Query,
    SamplingParams,
    SearchHit,
    SearchResult,
)
from tests.hits import hit

DEFAULT = default_prompt(Kind.ANSWER)
HITS = [hit(f"Passage {number} {'about many things ' * 8}{number}", f"d{number}")
        for number in range(9)]  # fmt: skip
TITLES = "{% for p in passages %}\n" + "{{ p.title }} " * 20 + "{{ p.text }}\n{% endfor %}"


def prompt(text: str) -> Prompt:
    template = readable({"messages": [{"role": "user", "content": f"{text}{{{{ question }}}}"}]})
    return Prompt(Kind.ANSWER, "v", template)


def fitted(chosen: Prompt, window: int, max_tokens: int = 100, hits: Sequence[SearchHit] = HITS):  # type: ignore[no-untyped-def]
    return fit(
        chosen,
        hits,
        inputs=lambda some: answer_inputs("How?", some),
        context_tokens=10_000,
        window=Window(window, estimated_tokens),
        max_tokens=max_tokens,
    )


@settings(max_examples=60, deadline=None, database=None)
@given(
    st.integers(500, 3000),
    st.integers(1, 1000),
    st.sampled_from([TITLES, "{% for p in passages %}{{ p.text }}{% endfor %}"]),
)
def test_the_whole_fits(tokens: int, max_tokens: int, text: str) -> None:
    window = Window(tokens, estimated_tokens)
    found = fitted(prompt(text), tokens, max_tokens)
    if not found.skipped:
        assert window.cost(found.messages()) <= window.room(max_tokens)
        assert window.room(max_tokens) >= tokens - max_tokens
    assert found.hits == HITS[: len(found.hits)]
    assert found.hits


def test_a_wider_window_has_more_passages() -> None:
    counts = [len(fitted(prompt(TITLES), tokens).hits) for tokens in (500, 1000, 3000)]
    assert counts == sorted(set(counts))
    assert counts[-1] == len(HITS)


def test_the_best_are_kept_and_stand_at_the_ends() -> None:
    told = fitted(prompt("{% for p in passages %}{{ p.title }}|{% endfor %}"), 10_000).messages()
    titles = told[0].content.split("|")
    assert (titles[-2], titles[0]) == ("Title of d0", "Title of d1")


@pytest.mark.parametrize(
    ("text", "why"),
    [("word " * 1000, "tokens with one passage"), ("{{ passages[20].text }}", "line 1")],
)
def test_the_default_steps_in_and_it_is_said(text: str, why: str) -> None:
    found = fitted(prompt(text), 1000)
    assert found.prompt is DEFAULT
    assert "version v" in found.skipped["prompt"]
    assert why in found.skipped["prompt"]


def test_the_default_never_refuses() -> None:
    found = fitted(DEFAULT, 20)
    assert (len(found.hits), dict(found.skipped)) == (1, {})


def answered(chosen: Prompt | None, mode: AnswerMode = "generated", window: int = 2048) -> Answer:
    said: list[Sequence[Message]] = []

    async def search(query: Query) -> SearchResult:
        return SearchResult((hit("The buoy weighs 74 kilograms."),), {"rerank": "none"})

    async def generate(
        messages: Sequence[Message], params: SamplingParams, request_id: str
    ) -> AsyncGenerator[Delta, None]:
        said.append(messages)
        yield Delta("The buoy weighs 74 kilograms.", "stop")

    async def last() -> Answer:
        events = answer(
            Query("How heavy is the buoy?", "docs"), SamplingParams(), search=search,
            generate=generate, settings=AnswerSettings(), mode=mode, prompt=chosen,
            window_tokens=window,
        )  # fmt: skip
        found = [event async for event in events][-1]
        assert isinstance(found, Answer)
        return found

    return asyncio.run(last())


def test_the_answer_says_which_version_made_it() -> None:
    own = prompt("{% for p in passages %}{{ p.text }}{% endfor %}")
    assert answered(own).prompt == PromptRef("answer", "v")
    assert answered(None).prompt == DEFAULT.ref
    assert answered(own, "extractive").prompt is None


def test_the_answer_says_that_the_default_stepped_in() -> None:
    found = answered(prompt("word " * 3000))
    assert found.prompt == DEFAULT.ref
    assert "version v" in found.skipped["prompt"]
    assert found.skipped["rerank"] == "none"
    assert found.found
