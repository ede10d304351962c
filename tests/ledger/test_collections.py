"""Logical collections and the model that each was embedded with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from smartypants.errors import CollectionNotFound, EmbeddingModelMismatch, ValidationFailed
from smartypants.ledger import collections, documents, jobs
from tests.ledger.conftest import Source


def ensure(engine: Engine, name: str, model: str = "org/Mini-LM.v2") -> collections.Collection:
    return collections.ensure(engine, name, embedding_model=model, dimension=384)


def test_made_once(engine: Engine) -> None:
    first = ensure(engine, "handbook")
    assert (first.physical, first.epoch) == ("handbook__mini_lm_v2__v1", 0)
    assert ensure(engine, "handbook") == first == collections.get(engine, "handbook")


def test_made_once_by_many(engine: Engine) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: ensure(engine, "handbook"), range(16)))
    assert len(set(found)) == 1


@pytest.mark.parametrize(
    "name", ["", "Handbook", "1st", "_x", "a-b", "a b", "a.b", "a\n", "x" * 64, "é", "a/../b", "a;"]
)
def test_bad_names(engine: Engine, name: str) -> None:
    with pytest.raises(ValidationFailed, match="not a collection name"):
        ensure(engine, name)
    assert collections.every(engine) == []


@pytest.mark.parametrize("name", ["a", "x" * 63, "a__b", "a1_2"])
def test_good_names(engine: Engine, name: str) -> None:
    assert ensure(engine, name).name == name


def test_another_model_is_refused(engine: Engine) -> None:
    ensure(engine, "handbook")
    with pytest.raises(EmbeddingModelMismatch, match=r"org/Mini-LM\.v2, not with org/other"):
        ensure(engine, "handbook", "org/other")


def test_another_dimension_is_refused(engine: Engine) -> None:
    found = ensure(engine, "handbook")
    collections.check_model(found, found.embedding_model, found.dimension)
    with pytest.raises(EmbeddingModelMismatch, match=r"not of 7"):
        collections.check_model(found, found.embedding_model, 7)
    with pytest.raises(EmbeddingModelMismatch, match=r"not of 7"):
        collections.ensure(engine, "handbook", embedding_model=found.embedding_model, dimension=7)


def test_missing_collection_names_those_there_are(engine: Engine) -> None:
    with pytest.raises(CollectionNotFound, match="none yet"):
        collections.get(engine, "x")
    ensure(engine, "zebra")
    ensure(engine, "ant")
    with pytest.raises(CollectionNotFound, match="ant, zebra"):
        collections.get(engine, "x")
    assert [item.name for item in collections.every(engine)] == ["ant", "zebra"]


def test_epoch_moves(engine: Engine) -> None:
    ensure(engine, "a")
    ensure(engine, "b")
    with engine.begin() as connection:
        collections.move_epoch(connection, "a")
    assert [item.epoch for item in collections.every(engine)] == [1, 0]


def test_forget_takes_everything_of_one_collection(engine: Engine) -> None:
    mine, other = Source(engine, "mine"), Source(engine, "other")
    mine.list("a.txt", "b.txt")
    other.list("c.txt")
    job = jobs.submit(engine, "ingest", "mine", {})
    kept = jobs.submit(engine, "ingest", "other", {})
    forgotten = collections.forget(engine, "mine")
    assert sorted(forgotten) == sorted([mine.id_of("a.txt"), mine.id_of("b.txt")])
    assert [item.name for item in collections.every(engine)] == ["other"]
    assert documents.by_id(engine, forgotten) == {}
    assert list(documents.by_id(engine, [other.id_of("c.txt")])) == [other.id_of("c.txt")]
    assert [row.id for row in jobs.page(engine, limit=9)] == [kept.id]
    assert job.id != kept.id
    assert collections.forget(engine, "mine") == []
