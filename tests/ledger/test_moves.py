"""Moves found in a complete listing."""

from __future__ import annotations

import time

from smartypants.ledger import acls, documents, relations
from smartypants.ledger.moves import note_moves
from tests.ledger.conftest import Source


class Listing:
    """A job that lists a source, indexes what is new, and looks for moves."""

    def __init__(self, source: Source, **contents: str) -> None:
        self.source = source
        self.since = time.time()
        source.list(*(source.ref(name, etag=version) for name, version in contents.items()))
        for row in documents.pending(source.engine, source.source_id):
            source.index(row.name, contents[row.name])

    def moved(self) -> set[str]:
        gone, _ = documents.vanished(self.source.engine, self.source.source_id, self.source.job)
        found = note_moves(self.source.engine, gone, job_id=self.source.job, since=self.since)
        names = {row.id: row.name for row in gone}
        return {names[document_id] for document_id in found}

    def prune(self) -> None:
        gone, _ = documents.vanished(self.source.engine, self.source.source_id, self.source.job)
        self.source.delete(*(row.name for row in gone))


def moves(source: Source, name: str) -> set[tuple[str, str]]:
    allowed = acls.allowed_acl_ids(source.engine, [])
    found = relations.related(source.engine, source.row(name), acl_ids=allowed)
    return {(item.relation, item.document.name) for item in found}


def test_rename(source: Source) -> None:
    Listing(source, old="v1", other="v2")
    listing = Listing(source, new="v1", other="v2")
    assert listing.moved() == listing.moved() == {"old"}
    listing.prune()
    assert moves(source, "new") == {("moved_from", "old")}
    assert moves(source, "old") == {("moved_to", "new")}


def test_changed_or_copied_is_not_moved(source: Source) -> None:
    Listing(source, a="v1", b="v2")
    assert Listing(source, a="v1", copy="v1", c="v3").moved() == set()


def test_what_was_there_before_is_no_move(source: Source) -> None:
    Listing(source, a="v1", b="v1")
    assert Listing(source, b="v1").moved() == set()
    Listing(source, a="v1", b="v2")
    assert Listing(source, b="v1").moved() == set()  # b changed into what a was


def test_there_and_back_again(source: Source) -> None:
    Listing(source, a="v1")
    for here, there in (("a", "b"), ("b", "a"), ("a", "b")):
        listing = Listing(source, **{there: "v1"})
        assert listing.moved() == {here}
        listing.prune()
        assert ("moved_from", here) in moves(source, there)


def test_an_old_move_does_not_excuse_a_deletion(source: Source) -> None:
    Listing(source, a="v1", keep="v9")
    for name in ("b", "a"):
        listing = Listing(source, **{name: "v1", "keep": "v9"})
        listing.moved()
        listing.prune()
    assert Listing(source, keep="v9").moved() == set()


def test_a_crash_before_the_deletion(source: Source) -> None:
    Listing(source, old="v1")
    assert Listing(source, new="v1").moved() == {"old"}
    assert Listing(source, new="v1").moved() == {"old"}  # another job, which sees nothing new


def test_same_file_name_first_and_one_each(source: Source) -> None:
    Listing(source, **{"x/a": "v1", "x/b": "v1", "x/c": "v1"})
    assert len(Listing(source, **{"y/b": "v1", "y/d": "v1"}).moved()) == 2
    assert ("moved_from", "x/b") in moves(source, "y/b")
    assert {kind for kind, _ in moves(source, "y/d")} == {"moved_from", "duplicate_of"}
