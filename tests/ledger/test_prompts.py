from __future__ import annotations

import pytest
from sqlalchemy import Engine, insert, update

from smartypants.errors import CollectionNotFound, Conflict, PromptNotFound, ValidationFailed
from smartypants.ledger import collections, prompts, schema
from smartypants.prompts.choosing import ActivePrompts
from smartypants.prompts.defaults import default_prompt
from smartypants.prompts.kinds import Kind
from smartypants.prompts.shares import Share
from smartypants.prompts.template import Template, readable
from smartypants.types import Query
from tests.ledger.conftest import Source

ANSWER = Kind.ANSWER
QUERY = Query("What is it?", "docs")


def made(text: str) -> Template:
    return readable({"messages": [{"role": "user", "content": text}]})


def created(engine: Engine, text: str, collection: str | None = "docs") -> str:
    return prompts.create(engine, ANSWER, made(text), collection=collection).version


def activate(engine: Engine, *versions: str, collection: str | None = "docs") -> None:
    shares = [Share(version, 1 / len(versions)) for version in versions]
    prompts.activate(engine, ANSWER, shares, collection=collection)


def used(engine: Engine, query: Query = QUERY) -> str:
    return ActivePrompts(engine).choose(ANSWER, query).version


DEFAULT = default_prompt(ANSWER).version


def test_versions_are_added_and_never_changed(source: Source) -> None:
    engine = source.engine
    first = prompts.create(engine, ANSWER, made("a"), collection="docs", created_by="ann", note="n")
    again = prompts.create(engine, ANSWER, made("a"), collection="docs", created_by="bob")
    assert again == first
    assert (first.created_by, first.note, first.version) == ("ann", "n", made("a").version(ANSWER))
    other = created(engine, "b")
    found = prompts.versions(engine, ANSWER, "docs")
    assert [item.version for item in found] == [other, first.version]
    assert prompts.template(engine, ANSWER, "docs", first.version[:6]) == made("a")
    assert prompts.versions(engine, ANSWER, None) == []
    for name in ("", first.version[:3], "nothing", "%%%%"):
        with pytest.raises(PromptNotFound):
            prompts.get(engine, ANSWER, "docs", name)


def test_activation_is_seen_by_the_next_choice(source: Source) -> None:
    engine, chooser = source.engine, ActivePrompts(source.engine)
    assert chooser.choose(ANSWER, QUERY).version == DEFAULT
    one, two = created(engine, "a"), created(engine, "b")
    assert chooser.choose(ANSWER, QUERY).version == DEFAULT
    for version in (one, two, one):
        activate(engine, version)
        chosen = chooser.choose(ANSWER, QUERY)
        assert (chosen.version, chosen.default) == (version, False)
    activate(engine, "default")
    assert chooser.choose(ANSWER, QUERY) is default_prompt(ANSWER)
    assert chooser.choose(Kind.REWRITE, QUERY) is default_prompt(Kind.REWRITE)


def test_collections_have_their_own_or_that_of_all(engine: Engine) -> None:
    for name in ("docs", "other"):
        Source(engine, name)
    for_all, own = created(engine, "all", None), created(engine, "own")
    activate(engine, for_all, collection=None)
    assert used(engine) == for_all
    activate(engine, own)
    assert (used(engine), used(engine, Query("q", "other"))) == (own, for_all)
    prompts.activate(engine, ANSWER, [], collection="docs")
    assert used(engine) == for_all
    with pytest.raises(PromptNotFound):
        activate(engine, own, collection="other")
    collections.forget(engine, "docs")
    assert prompts.history(engine, ANSWER, "docs") == []
    assert len(prompts.history(engine, ANSWER, None)) == 1


def test_rollback_goes_back_step_by_step(source: Source) -> None:
    engine = source.engine
    a, b, c = (created(engine, text) for text in "abc")
    activate(engine, a)
    activate(engine, b)

    def back() -> str:
        prompts.roll_back(engine, ANSWER, collection="docs")
        return used(engine)

    assert back() == a
    activate(engine, c)
    assert [back(), back()] == [a, DEFAULT]
    with pytest.raises(Conflict):
        back()
    assert len(prompts.history(engine, ANSWER, "docs")) == 6


def test_rolling_back_restores_who_had_what(source: Source) -> None:
    engine = source.engine
    a, b = created(engine, "a"), created(engine, "b")
    activate(engine, a, b)
    queries = [Query(f"question {i}", "docs") for i in range(30)]
    before = [used(engine, query) for query in queries]
    assert set(before) == {a, b}
    activate(engine, a)
    prompts.roll_back(engine, ANSWER, collection="docs")
    assert [used(engine, query) for query in queries] == before


def test_bad_activations(source: Source) -> None:
    engine = source.engine
    one = created(engine, "a")
    for shares in ([Share(one, 0.5)], [Share(one, 0.5), Share(one[:8], 0.5)]):
        with pytest.raises(ValidationFailed):
            prompts.activate(engine, ANSWER, shares, collection="docs")
    with pytest.raises(PromptNotFound):
        activate(engine, "0123456789")
    for call in (prompts.roll_back, lambda *a, **k: prompts.activate(*a, [], **k)):
        with pytest.raises(CollectionNotFound):
            call(engine, ANSWER, collection="nothing")
    with pytest.raises(CollectionNotFound):
        created(engine, "a", "nothing")
    assert prompts.history(engine, ANSWER, "docs") == []


def test_searches_need_not_be_made_anew(source: Source) -> None:
    before = source.epoch
    activate(source.engine, created(source.engine, "a"))
    assert source.epoch == before


@pytest.mark.parametrize(
    "body", [{"messages": []}, {"messages": [{"role": "user", "content": "{% set x = 1 %}"}]}]
)
def test_what_this_release_can_not_read_is_passed_over(
    source: Source, body: dict[str, object]
) -> None:
    engine = source.engine
    version = created(engine, "a")
    activate(engine, version)
    with engine.begin() as connection:
        connection.execute(update(schema.prompts).values(body=body))
    chosen = ActivePrompts(engine).choose(ANSWER, QUERY)
    assert chosen.default
    assert version in chosen.passed_over


def test_activation_of_what_is_gone_is_passed_over(source: Source) -> None:
    row = {"kind": "answer", "collection": "docs", "shares": [["gone", 1.0]], "created_at": 0.0,
           "created_by": "", "note": ""}  # fmt: skip
    with source.engine.begin() as connection:
        connection.execute(insert(schema.prompt_activations).values(row))
    assert "gone" in ActivePrompts(source.engine).choose(ANSWER, QUERY).passed_over
