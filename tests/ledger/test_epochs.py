"""The epoch moves with every change that a search can see, and rests otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from smartypants.ledger import acls, collections, commits, importing
from smartypants.ledger.importing import ImportedDocument
from tests.ledger.conftest import Source

NAME = "a.txt"
LOCKED = ("group:board",)


def imported(source: Source) -> ImportedDocument:
    return ImportedDocument(
        source.id_of("b.txt"), source.source_id, "file:///docs/b.txt", "b.txt", "B", None, {}, {},
        ("public",), 1, "1", "v1", 1, 1.0, 1.0, 1.0,
    )  # fmt: skip


SEEN: dict[str, Callable[[Source], object]] = {
    "a new version": lambda s: s.index(NAME, "v2"),
    "its deletion": lambda s: s.delete(NAME),
    "other readers": lambda s: s.list(s.ref(NAME, principals=LOCKED)),
    "other metadata": lambda s: s.list(replace(s.ref(NAME), metadata={"author": "Ann"})),
    "another name": lambda s: s.list(replace(s.ref(NAME), name="Renamed")),
    "another media type": lambda s: s.list(replace(s.ref(NAME), media_type="text/html")),
    "indexed anew": lambda s: commits.begin_again(s.engine, "docs", [s.id_of(NAME)]),
    "an import": lambda s: importing.commit(s.engine, "docs", [imported(s)]),
}

UNSEEN: dict[str, Callable[[Source], object]] = {
    "listed as before": lambda s: s.list(NAME),
    "a new document that waits": lambda s: s.list(NAME, "new.txt"),
    "a change that waits": lambda s: s.list(s.ref(NAME, etag="2")),
    "a failure": lambda s: s.fail(NAME, retryable=True),
    "other readers of one that waits": lambda s: (
        s.list("new.txt"),
        s.list(s.ref("new.txt", principals=LOCKED)),
    ),
}


@pytest.mark.parametrize("change", SEEN.values(), ids=SEEN)
def test_it_moves(source: Source, change: Callable[[Source], object]) -> None:
    source.list(NAME)
    source.index(NAME)
    before = source.epoch, collections.standing(source.engine, "docs")
    change(source)
    assert source.epoch > before[0]
    assert collections.standing(source.engine, "docs") != before[1]


@pytest.mark.parametrize("change", UNSEEN.values(), ids=UNSEEN)
def test_it_rests(source: Source, change: Callable[[Source], object]) -> None:
    source.list(NAME)
    source.index(NAME)
    before = collections.standing(source.engine, "docs")
    change(source)
    assert collections.standing(source.engine, "docs") == before


def test_a_change_that_searches_see_is_made_once(source: Source) -> None:
    source.list(NAME)
    source.index(NAME)
    listed = source.list(source.ref(NAME, principals=LOCKED), "new.txt")
    assert (listed.pending, listed.unchanged) == (1, 1)
    row = source.row(NAME)
    assert acls.principals(source.engine, [row.acl_id])[row.acl_id] == LOCKED


def test_collection_that_is_made_again_has_another_standing(engine: Engine) -> None:
    """Its name, its physical name and its epoch are those of the former one."""

    def make() -> tuple[str, int, str]:
        made = collections.ensure(engine, "again", embedding_model="m", dimension=4)
        return made.physical, made.epoch, made.standing

    first = make()
    collections.forget(engine, "again")
    assert collections.standing(engine, "again") is None
    second = make()
    assert first[:2] == second[:2]
    assert first[2] != second[2]


def test_collection_and_permissions_are_read_together(source: Source) -> None:
    source.list(source.ref(NAME, principals=LOCKED), "open.txt")
    collection, allowed = collections.readable(source.engine, "docs", LOCKED)
    assert collection == collections.get(source.engine, "docs")
    assert allowed == acls.allowed_acl_ids(source.engine, LOCKED)
    assert len(allowed) == 2
