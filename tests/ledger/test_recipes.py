from __future__ import annotations

import pytest
from sqlalchemy import Engine, insert, update
from sqlalchemy.exc import IntegrityError

from smartypants.errors import CollectionNotFound
from smartypants.ledger import collections, recipes, schema
from smartypants.recipes import Recipe
from tests.ledger.conftest import Source

DENSE, WORDS = Recipe(dense_weight=1.0), Recipe(dense_weight=0.0)


def test_one_is_active_and_the_others_stay(source: Source) -> None:
    engine = source.engine
    assert recipes.active(engine, "docs") is None
    recipes.activate(engine, "docs", DENSE, evidence={"queries": 40})
    recipes.activate(engine, "docs", WORDS)
    now = recipes.active(engine, "docs")
    assert now is not None
    assert (now.recipe, now.version, now.evidence) == (WORDS, WORDS.version, None)
    assert [(item.recipe, item.active) for item in recipes.history(engine, "docs")] == [
        (WORDS, True),
        (DENSE, False),
    ]
    recipes.activate(engine, "docs", DENSE, evidence={"queries": 50})
    back = recipes.active(engine, "docs")
    assert back is not None
    assert (back.recipe, back.evidence) == (DENSE, {"queries": 50})
    assert len(recipes.history(engine, "docs")) == 2


def test_reset(source: Source) -> None:
    recipes.activate(source.engine, "docs", DENSE)
    recipes.reset(source.engine, "docs")
    assert recipes.active(source.engine, "docs") is None
    assert [item.active for item in recipes.history(source.engine, "docs")] == [False]


def test_searches_see_another_epoch(source: Source) -> None:
    before = source.epoch
    recipes.activate(source.engine, "docs", DENSE)
    assert source.epoch == before + 1
    recipes.reset(source.engine, "docs")
    assert source.epoch == before + 2


def test_other_collections_keep_theirs(engine: Engine) -> None:
    for name in ("mine", "other"):
        Source(engine, name)
        recipes.activate(engine, name, DENSE)
    recipes.activate(engine, "mine", WORDS)
    other = recipes.active(engine, "other")
    assert other is not None
    assert other.recipe == DENSE
    collections.forget(engine, "mine")
    assert recipes.history(engine, "mine") == []
    assert len(recipes.history(engine, "other")) == 1


def test_no_such_collection(engine: Engine) -> None:
    with pytest.raises(CollectionNotFound):
        recipes.activate(engine, "nothing", DENSE)
    with pytest.raises(CollectionNotFound):
        recipes.reset(engine, "nothing")


def test_two_can_not_be_active(source: Source) -> None:
    recipes.activate(source.engine, "docs", DENSE)
    row = {"collection": "docs", "version": "v", "recipe": {}, "created_at": 0.0, "active": 1}
    with pytest.raises(IntegrityError), source.engine.begin() as connection:
        connection.execute(insert(schema.recipes).values(row))


def test_fields_of_another_version_are_left_out(source: Source) -> None:
    recipes.activate(source.engine, "docs", DENSE)
    with source.engine.begin() as connection:
        unknown = {"dense_weight": 1.0, "of_the_future": 3}
        connection.execute(update(schema.recipes).values(recipe=unknown))
    now = recipes.active(source.engine, "docs")
    assert now is not None
    assert now.recipe == DENSE
