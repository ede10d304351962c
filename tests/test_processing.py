from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from smartypants.errors import CollectionNotFound, EmbeddingModelMismatch, ValidationFailed
from smartypants.ledger import acls, collections, recipes
from smartypants.options.answering import RerankerSettings
from smartypants.processing import normalise
from smartypants.processing import process as process_async
from smartypants.recipes import Recipe
from smartypants.settings import Settings
from smartypants.types import Query, SearchPlan

SETTINGS = Settings()


def process(query: Query, *, engine: Engine, settings: Settings) -> SearchPlan:
    return asyncio.run(process_async(query, engine=engine, settings=settings))


@pytest.fixture
def filled(engine: Engine) -> Engine:
    collections.ensure(engine, "docs", embedding_model=SETTINGS.embedder.model, dimension=384)
    return engine


def test_plan_says_what_may_be_read(filled: Engine) -> None:
    with filled.begin() as connection:
        public = acls.acl_id(connection, ["public"])
        mine = acls.acl_id(connection, ["user:ann"])
        acls.acl_id(connection, ["user:bob"])
    query = Query("  what\tis \n this ", "docs", principals=("user:ann",))
    plan = process(query, engine=filled, settings=SETTINGS)
    assert plan.text == "what is this"
    assert plan.acl_ids == tuple(sorted((public, mine)))
    assert plan.physical_collection == collections.get(filled, "docs").physical
    assert plan.rerank is False


def test_candidates_suffice_for_what_is_asked(filled: Engine) -> None:
    def candidates(query: Query) -> int:
        return process(query, engine=filled, settings=SETTINGS).candidates

    assert candidates(Query("x", "docs", top_k=5)) == 100
    assert candidates(Query("x", "docs", top_k=300)) == 300
    assert candidates(Query("x", "docs", top_k=100, per_document=True)) == 200


@pytest.mark.parametrize(("asked", "planned"), [(None, True), (True, True), (False, False)])
def test_reranks_where_one_is_configured(filled: Engine, asked: bool | None, planned: bool) -> None:
    settings = Settings(reranker=RerankerSettings(model="some/model"))
    plan = process(Query("x", "docs", rerank=asked), engine=filled, settings=settings)
    assert plan.rerank is planned


def test_the_collections_recipe_comes_before_the_settings(filled: Engine) -> None:
    settings = Settings(retrieval=Recipe(rrf_k=7), reranker=RerankerSettings(model="some/model"))
    query = Query("x", "docs")
    assert process(query, engine=filled, settings=settings).recipe == Recipe(rrf_k=7)
    tuned = Recipe(dense_weight=0.8, rerank=False)
    recipes.activate(filled, "docs", tuned)
    plan = process(query, engine=filled, settings=settings)
    assert (plan.recipe, plan.rerank) == (tuned, False)
    recipes.reset(filled, "docs")
    assert process(query, engine=filled, settings=settings).recipe == Recipe(rrf_k=7)


def test_refusals(filled: Engine) -> None:
    with pytest.raises(CollectionNotFound, match="docs"):
        process(Query("x", "other"), engine=filled, settings=SETTINGS)
    with pytest.raises(ValidationFailed):
        process(Query(" \x00\n", "docs"), engine=filled, settings=SETTINGS)
    collections.ensure(filled, "old", embedding_model="another/model", dimension=3)
    with pytest.raises(EmbeddingModelMismatch, match="another/model"):
        process(Query("x", "old"), engine=filled, settings=SETTINGS)


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert "\n" not in once


PIECES = st.lists(
    st.sampled_from(
        ["type:", "in:", "source:", "author:", "after:", '"', " ", "pdf", "docs", "2023"]
    )
    | st.text(st.characters(codec=None), max_size=5)
).map("".join)


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=PIECES, elsewhere=st.booleans())
def test_any_text_is_planned_or_refused(filled: Engine, text: str, elsewhere: bool) -> None:
    query = Query(text, "docs", elsewhere=elsewhere)
    try:
        plan = process(query, engine=filled, settings=SETTINGS)
    except ValidationFailed:
        assert not normalise(text)
        return
    assert plan.text
    assert plan.query.collection == "docs"
    assert {step.name for step in plan.trace} | set(plan.skipped) == {
        "syntax", "language", "rewrite", "interpret", "spelling", "expansion",
    }  # fmt: skip
