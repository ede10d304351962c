"""Every read path against a model of who may see what, over random changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import _access, _access_world
from benchmarks._access_documents import found
from benchmarks._access_model import Verdicts
from benchmarks._access_unasked import UNASKED
from benchmarks._access_world import COLLECTIONS, USERS, World
from smartypants.auth.roles import Role
from smartypants.vectorstores.milvus import MilvusVectorStore

TRIPLES = 20_000
SEED = 20261125


class Untouched:
    """The store, and a list of what wrote to it."""

    WRITES = ("upsert", "delete_versions", "delete_chunks", "flush", "create", "drop")

    def __init__(self, store: Any) -> None:
        self._store = store
        self.writes: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name in self.WRITES:
            self.writes.append(name)
        return getattr(self._store, name)


@pytest.fixture
def world(tmp_path: Path, milvus: MilvusVectorStore) -> Iterator[World]:
    with _access_world.world(tmp_path, milvus, seed=SEED) as made:
        yield made


def _spied(store: Any) -> Any:
    return Untouched(store)


@pytest.fixture
def hamlet(tmp_path: Path, milvus: MilvusVectorStore) -> Iterator[World]:
    """A small world, whose vector store notes what is written."""
    small = _access_world.world(tmp_path, milvus, seed=SEED, documents=8, wrap=_spied)
    with small as made:
        yield made


def test_no_leak_and_no_false_denial(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    verdicts = _access.tried(world, triples=TRIPLES)
    record_property("triples", dict(verdicts.triples))
    assert verdicts.leaks == []
    assert verdicts.false_denials == []
    assert verdicts.total >= TRIPLES
    assert len(verdicts.triples) == 28


def test_the_oracle_notices_a_leak(hamlet: World) -> None:
    """The model is told of what the system is not: both ways have to show."""
    item = next(i for i in hamlet.company.items.values() if not i.failed)
    hamlet.promote("ann", Role.ADMIN)
    mine = hamlet.company.principals("ann")
    item.principals = frozenset() if item.principals & mine else frozenset({"user:ann"})
    verdicts = Verdicts()
    _access.check(hamlet, "ann", verdicts)
    wrong = {name for _, name, _ in verdicts.leaks + verdicts.false_denials}
    assert wrong == {item.name, item.collection}  # it is among what is counted of its source


def test_every_route_is_asked_or_shows_no_document(hamlet: World) -> None:
    """A new route fails here until somebody has decided which: see `_access_unasked`."""
    for name in USERS:
        _access.check(hamlet, name, Verdicts())
    asked = hamlet.web.asked
    assert asked.isdisjoint(UNASKED)
    assert asked | set(UNASKED) == hamlet.web.routes()


def test_revoking_counts_at_the_next_query_and_touches_no_vector(hamlet: World) -> None:
    hamlet.promote("fay", Role.READER)
    hamlet.set_group("guests", {"fay"})
    item = next(i for i in hamlet.company.items.values() if not i.failed)
    hamlet.share(item, frozenset({"group:guests"}))
    spy = hamlet.vectors
    assert isinstance(spy, Untouched)
    assert "upsert" in spy.writes  # it notices what the application and the job write
    spy.writes.clear()
    count = spy.count("open__m__v1")
    for _ in range(3):
        assert item.id in found(hamlet, "fay", COLLECTIONS[0])
        hamlet.set_group("guests", set())
        assert item.id not in found(hamlet, "fay", COLLECTIONS[0])
        assert hamlet.web.get("fay", f"/v1/documents/{item.id}").status_code == 404
        hamlet.set_group("guests", {"fay"})
    assert (spy.writes, spy.count("open__m__v1")) == ([], count)
