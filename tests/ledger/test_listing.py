"""The diff of a listing against the ledger."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from smartypants.ledger import collections, documents, listing
from smartypants.ledger.database import BATCH
from smartypants.ledger.listing import Listed
from smartypants.types import DocumentState
from tests.ledger.conftest import MAX_ATTEMPTS, Source


def test_new_documents_are_pending(source: Source) -> None:
    assert source.list("a.txt", "b.txt") == Listed(pending=2, unchanged=0)
    row = source.row("a.txt")
    assert (row.state, row.indexed_version, row.title) == ("pending", None, "a.txt")
    assert not row.searchable
    assert {item.name for item in documents.pending(source.engine, source.source_id)} == {
        "a.txt",
        "b.txt",
    }


def test_unchanged_documents_stay(source: Source) -> None:
    source.list("a.txt")
    source.index("a.txt")
    before = source.row("a.txt")
    assert source.list("a.txt") == Listed(pending=0, unchanged=1)
    after = source.row("a.txt")
    assert (after.state, after.updated_at, after.title) == (
        before.state,
        before.updated_at,
        "Title of a.txt",
    )
    assert (after.listed_by, after.job_id) == ("job2", "job1")
    assert documents.pending(source.engine, source.source_id) == []


def test_changed_document_is_pending_and_stays_searchable(source: Source) -> None:
    source.list("a.txt")
    source.index("a.txt", "v1")
    assert source.list(source.ref("a.txt", etag="2")) == Listed(pending=1)
    row = source.row("a.txt")
    assert (row.state, row.etag, row.indexed_version) == ("pending", "2", "v1")
    assert row.searchable


def test_unfinished_documents_are_due_again(source: Source) -> None:
    source.list("a.txt")
    assert source.list("a.txt") == Listed(pending=1)


def test_failure_of_the_document_is_not_tried_again(source: Source) -> None:
    source.list("a.txt")
    source.fail("a.txt", retryable=False)
    assert source.list("a.txt") == Listed(unchanged=1)
    assert source.row("a.txt").state == DocumentState.FAILED
    assert source.list(source.ref("a.txt", etag="2")) == Listed(pending=1)
    assert source.row("a.txt").attempts == 0


def test_failure_that_may_pass_is_tried_a_few_times(source: Source) -> None:
    for attempt in range(MAX_ATTEMPTS):
        assert source.list("a.txt") == Listed(pending=1)
        assert source.row("a.txt").attempts == attempt
        source.fail("a.txt", retryable=True)
    assert source.list("a.txt") == Listed(unchanged=1)
    assert source.row("a.txt").attempts == MAX_ATTEMPTS


def test_deleted_and_back_hides_the_old_version(source: Source) -> None:
    source.list("a.txt")
    source.index("a.txt", "v1")
    source.delete("a.txt")
    assert source.list("a.txt") == Listed(pending=1)
    row = source.row("a.txt")
    assert (row.state, row.indexed_version, row.purged) == ("pending", None, 0)
    assert not row.searchable


def test_revoked_principals_are_noted_at_once(source: Source) -> None:
    source.list("a.txt")
    source.index("a.txt")
    before = source.row("a.txt").acl_id
    source.list(source.ref("a.txt", principals=("user:ann",)))
    assert source.row("a.txt").acl_id != before


def test_long_listings_go_in_batches(source: Source) -> None:
    names = [f"{n}.txt" for n in range(2 * BATCH + 1)]
    assert source.list(*names) == Listed(pending=len(names))
    assert documents.count_pending(source.engine, source.source_id) == len(names)
    assert source.list() == Listed()


def test_registering_again_changes_nothing(engine: Engine) -> None:
    first = Source(engine)
    first.list("a.txt")
    again = Source(engine)
    assert again.list("a.txt") == Listed(pending=1)
    listing.register_source(
        engine, source_id=first.source_id, collection="docs", kind="other", uri="other"
    )


def test_sources_do_not_mix(engine: Engine) -> None:
    one, two = Source(engine, "one"), Source(engine, "two")
    one.list("a.txt")
    two.list("a.txt", "b.txt")
    assert one.id_of("a.txt") != two.id_of("a.txt")
    assert len(documents.pending(engine, one.source_id)) == 1
    assert documents.vanished(engine, one.source_id, one.job) == ([], 1)


@pytest.mark.parametrize(
    ("kind", "uri", "given"),
    [
        ("filesystem", "file:///docs/a%20%C3%BC%FF", "/docs/a ü\udcff"),
        ("uploads", "upload:", "upload:"),
        ("other", "s3://bucket/a%20b", "s3://bucket/a%20b"),
    ],
)
def test_sources_as_their_connectors_take_them(
    engine: Engine, kind: str, uri: str, given: str
) -> None:
    collections.ensure(engine, "docs", embedding_model="m", dimension=4)
    for _ in range(2):
        listing.register_source(engine, source_id="s", collection="docs", kind=kind, uri=uri)
    [found] = listing.sources_by_id(engine, ["s", "nobody"])
    assert (found.collection, found.kind, found.given_uri) == ("docs", kind, given)
