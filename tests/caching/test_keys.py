"""A key changes with all that a result depends on, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartypants.caching.keys import Key, Models, answer_key, search_key
from smartypants.options.answering import AnswerSettings
from smartypants.recipes import Recipe
from smartypants.types import (
    Filters,
    Message,
    Query,
    QueryOptions,
    SamplingParams,
    SearchPlan,
    Step,
)

MODELS = Models("embedder", "reranker", "llm")
QUERY = Query("How old is Ann?", "docs", principals=("public", "user:ann"))
PLAN = SearchPlan(
    QUERY, "How old is Ann?", "docs__m__v1", (1, 2), Recipe(), rerank=True, standing="s1"
)


def asked(plan: SearchPlan = PLAN, sampling: SamplingParams | None = None, **more: object) -> Key:
    given = {"models": MODELS, "mode": "generated", "prompt": "p", "settings": AnswerSettings()}
    return answer_key(plan, sampling or SamplingParams(), **(given | more))  # type: ignore[arg-type]


def query(**changes: object) -> SearchPlan:
    return replace(PLAN, query=replace(QUERY, **changes))  # type: ignore[arg-type]


MATTERS: dict[str, SearchPlan] = {
    "text": replace(PLAN, text="How old is Bob?"),
    "variants": replace(PLAN, variants=("Ann's age",)),
    "phrases": replace(PLAN, phrases=("Ann",)),
    "collection": replace(PLAN, physical_collection="docs__m__v2"),
    "permissions": replace(PLAN, acl_ids=(1, 2, 3)),
    "recipe": replace(PLAN, recipe=Recipe(candidates=7)),
    "reranking": replace(PLAN, rerank=False),
    "filters": replace(PLAN, filters=Filters(source_ids=("s",))),
    "dates": replace(PLAN, filters=Filters(after=1.5)),
    "standing": replace(PLAN, standing="s2"),
    "top_k": query(top_k=3),
    "per_document": query(per_document=True),
    "options": query(options=QueryOptions(neighbours=1)),
}

DOES_NOT: dict[str, SearchPlan] = {
    "principals": query(principals=("public", "user:bob")),
    "request": query(request_id="r2", deadline=5.0, cache=False),
    "trace": replace(PLAN, trace=(Step("x", 1.0),), skipped={"rewrite": "late"}),
}


@pytest.mark.parametrize("other", MATTERS.values(), ids=MATTERS)
def test_it_matters(other: SearchPlan) -> None:
    assert search_key(other, MODELS).key != search_key(PLAN, MODELS).key
    assert asked(other).key != asked().key


@pytest.mark.parametrize("other", DOES_NOT.values(), ids=DOES_NOT)
def test_it_does_not(other: SearchPlan) -> None:
    assert search_key(other, MODELS) == search_key(PLAN, MODELS)
    assert asked(other) == asked()


def test_scope_leaves_out_the_words_alone() -> None:
    words = {"text", "variants", "phrases"}
    for name, other in MATTERS.items():
        same = search_key(other, MODELS).scope == search_key(PLAN, MODELS).scope
        assert same == (name in words), name


@pytest.mark.parametrize(
    "change",
    [
        lambda: asked(sampling=SamplingParams(max_tokens=7)),
        lambda: asked(models=replace(MODELS, llm="another")),
        lambda: asked(models=replace(MODELS, embedder="another")),
        lambda: asked(models=replace(MODELS, reranker="another")),
        lambda: asked(mode="extractive"),
        lambda: asked(prompt="q"),
        lambda: asked(settings=AnswerSettings(context_tokens=7)),
        lambda: asked(query(text="how old is Ann")),
        lambda: asked(query(history=(Message("user", "Who is Ann?"),))),
    ],
)
def test_answers_depend_on_more(change: Callable[[], Key]) -> None:
    assert change().key != asked().key


def test_a_reranker_that_is_not_used_does_not_matter() -> None:
    plan = replace(PLAN, rerank=False)
    assert search_key(plan, MODELS) == search_key(plan, replace(MODELS, reranker=None))


def test_search_and_answer_never_meet() -> None:
    assert search_key(PLAN, MODELS).key.split(":")[2] == "search"
    assert asked().key.split(":")[2] == "answer"


texts = st.lists(st.text(max_size=5), max_size=3).map(tuple)


@given(texts, texts, texts, texts)
def test_parts_never_run_into_each_other(
    variants: tuple[str, ...],
    phrases: tuple[str, ...],
    other_variants: tuple[str, ...],
    other_phrases: tuple[str, ...],
) -> None:
    one = replace(PLAN, variants=variants, phrases=phrases)
    other = replace(PLAN, variants=other_variants, phrases=other_phrases)
    same = (variants, phrases) == (other_variants, other_phrases)
    assert (search_key(one, MODELS) == search_key(other, MODELS)) == same
