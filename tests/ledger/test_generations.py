"""A new generation of a collection: filled, switched to, retired."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from smartypants.errors import CollectionNotFound, Unavailable
from smartypants.ledger import collections, commits, generations, versions
from smartypants.ledger.commits import Indexed
from smartypants.ledger.generations import Generation, GenerationState, Staged
from tests.ledger.conftest import Source


def begin(source: Source, *, recipe: str = "r", model: str = "org/new") -> tuple[Generation, bool]:
    return generations.begin(
        source.engine, source.collection, embedding_model=model, dimension=8, recipe=recipe
    )


def stage(source: Source, generation: Generation, name: str, *, chunks: int = 5) -> None:
    row = source.row(name)
    whole = Staged(row.id, row.indexed_version or "", row.acl_id, chunks)
    generations.stage(source.engine, generation, [whole])


def left(source: Source, generation: Generation) -> list[tuple[str, bool]]:
    found = generations.left(source.engine, generation)
    assert generations.count_left(source.engine, generation) == len(found)
    return sorted((row.name, held) for row, held in found)


@pytest.fixture
def filled(source: Source) -> Source:
    source.list("a", "b", "waits")
    source.index("a")
    source.index("b")
    return source


def test_begun_once_and_resumed(filled: Source) -> None:
    first, new = begin(filled)
    assert (first.physical, new) == ("docs__new__v2", True)
    stage(filled, first, "a")
    again, new = begin(filled)
    assert (again, new) == (first, False)
    assert left(filled, again) == [("b", False)]


def test_another_recipe_begins_anew(filled: Source) -> None:
    first, _ = begin(filled)
    stage(filled, first, "a")
    second, new = begin(filled, recipe="other")
    assert (second.physical, new) == ("docs__new__v3", True)
    assert left(filled, second) == [("a", False), ("b", False)]
    states = {g.physical: g.state for g in generations.every(filled.engine, filled.collection)}
    assert states == {
        first.physical: GenerationState.RETIRED,
        second.physical: GenerationState.FILLING,
    }


def test_changed_documents_are_left_again(filled: Source) -> None:
    generation, _ = begin(filled)
    stage(filled, generation, "a")
    stage(filled, generation, "b")
    assert left(filled, generation) == []
    filled.index("a", "v2")
    filled.list(replace(filled.ref("b"), principals=("user:ann",)))
    assert left(filled, generation) == [("a", True), ("b", True)]


def test_switch(filled: Source) -> None:
    before = filled.epoch
    generation, _ = begin(filled)
    stage(filled, generation, "a", chunks=7)
    assert not generations.switch(filled.engine, generation)
    assert collections.get(filled.engine, "docs").physical == "docs__m__v1"
    stage(filled, generation, "b")
    assert generations.switch(filled.engine, generation)
    now = collections.get(filled.engine, "docs")
    assert (now.physical, now.embedding_model, now.dimension) == ("docs__new__v2", "org/new", 8)
    assert now.epoch > before
    assert (filled.row("a").chunk_count, filled.row("b").chunk_count) == (7, 5)
    [version] = versions.history(filled.engine, filled.id_of("a"))
    assert (version.version, version.chunk_count) == ("v1", 7)
    [former] = generations.every(filled.engine, "docs")
    assert (former.physical, former.state) == ("docs__m__v1", GenerationState.RETIRED)
    generations.forget(filled.engine, former.physical)
    assert generations.physicals(filled.engine, "docs") == ["docs__new__v2"]


def test_deleted_documents_are_stale(filled: Source) -> None:
    generation, _ = begin(filled)
    stage(filled, generation, "a")
    stage(filled, generation, "b")
    filled.delete("a")
    assert generations.stale(filled.engine, generation) == [filled.id_of("a")]
    generations.unstage(filled.engine, generation, [filled.id_of("a")])
    assert generations.stale(filled.engine, generation) == []
    assert generations.switch(filled.engine, generation)


def test_what_was_written_to_the_former_one_is_not_committed(filled: Source) -> None:
    generation, _ = begin(filled)
    for name in ("a", "b"):
        stage(filled, generation, name)
    generations.switch(filled.engine, generation)
    late = Indexed(filled.id_of("waits"), "v1", "Late", 1)
    with pytest.raises(Unavailable):
        commits.commit(filled.engine, "docs", [late], [], physical="docs__m__v1")
    assert filled.row("waits").state == "pending"
    commits.commit(filled.engine, "docs", [late], [], physical=generation.physical)
    assert filled.row("waits").searchable


def test_forgotten_with_the_collection(filled: Source, engine: Engine) -> None:
    generation, _ = begin(filled)
    stage(filled, generation, "a")
    collections.forget(engine, "docs")
    assert generations.every(engine, "docs") == []
    with pytest.raises(CollectionNotFound):
        begin(filled)
