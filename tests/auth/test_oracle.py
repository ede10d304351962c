"""Every read path against a model of who may see what, over random changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import _access
from benchmarks._access import COLLECTIONS, World
from smartypants.auth.roles import Role
from smartypants.vectorstores.milvus import MilvusVectorStore

TRIPLES = 10_000
SEED = 20261125


class Untouched:
    """The store, as long as nobody writes to it."""

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
    with _access.world(tmp_path, milvus, seed=SEED) as made:
        yield made


def test_no_leak_and_no_false_denial(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    verdicts = _access.tried(world, triples=TRIPLES)
    record_property("triples", dict(verdicts.triples))
    assert verdicts.leaks == []
    assert verdicts.false_denials == []
    assert verdicts.total >= TRIPLES
    assert len(verdicts.triples) == 10


def test_the_oracle_notices_a_leak(world: World) -> None:
    """The model is told of what the system is not: both ways have to show."""
    item = next(i for i in world.company.items.values() if not i.failed)
    world.promote("ann", Role.ADMIN)
    mine = world.company.principals("ann")
    item.principals = frozenset() if item.principals & mine else frozenset({"user:ann"})
    verdicts = _access.Verdicts()
    world.check("ann", verdicts)
    wrong = {name for _, name, _ in verdicts.leaks + verdicts.false_denials}
    assert wrong == {item.name}


def test_revoking_counts_at_the_next_query_and_touches_no_vector(world: World) -> None:
    world.promote("fay", Role.READER)
    world.set_group("guests", {"fay"})
    item = next(i for i in world.company.items.values() if not i.failed)
    world.share(item, frozenset({"group:guests"}))
    spy = Untouched(world.vectors)
    world.vectors = spy  # type: ignore[assignment]
    count = spy.count("open__m__v1")
    for _ in range(3):
        assert item.id in world.found("fay", COLLECTIONS[0])
        world.set_group("guests", set())
        assert item.id not in world.found("fay", COLLECTIONS[0])
        assert world.get("fay", f"/v1/documents/{item.id}").status_code == 404
        world.set_group("guests", {"fay"})
    assert (spy.writes, spy.count("open__m__v1")) == ([], count)
