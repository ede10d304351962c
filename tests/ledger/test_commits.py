"""Changes of what searches may show."""

from __future__ import annotations

from smartypants.ledger import commits, documents
from smartypants.ledger.commits import Failed, Indexed
from smartypants.types import DocumentState
from tests.ledger.conftest import Source


def test_indexed(source: Source) -> None:
    source.list("a.txt")
    source.index("a.txt", "v1", chunks=3)
    row = source.row("a.txt")
    assert (row.state, row.indexed_version, row.chunk_count) == ("indexed", "v1", 3)
    assert (row.title, row.parsed) == ("Title of a.txt", {"pages": "1"})
    assert row.searchable
    assert row.indexed_at is not None


def test_failed_keeps_the_former_version(source: Source) -> None:
    source.list("a.txt")
    source.index("a.txt", "v1")
    source.list(source.ref("a.txt", etag="2"))
    source.fail("a.txt", retryable=True)
    row = source.row("a.txt")
    assert (row.state, row.indexed_version, row.searchable) == ("failed", "v1", True)
    assert (row.error_code, row.error) == ("document_unreadable", "It is damaged.")
    assert (row.attempts, row.retryable) == (1, 1)


def test_success_clears_the_failure(source: Source) -> None:
    source.list("a.txt")
    source.fail("a.txt", retryable=True)
    source.index("a.txt")
    row = source.row("a.txt")
    assert (row.error_code, row.error, row.attempts, row.retryable) == (None, None, 0, 0)


def test_long_message_is_cut(source: Source) -> None:
    source.list("a.txt")
    bad = Failed(source.id_of("a.txt"), "code", "x" * 10_000, retryable=False)
    commits.commit(source.engine, "docs", [], [bad])
    assert len(source.row("a.txt").error or "") == 4000


def test_deleted_meanwhile_stays_deleted(source: Source) -> None:
    source.list("a.txt", "b.txt")
    source.delete("a.txt", "b.txt")
    source.index("a.txt")
    source.fail("b.txt", retryable=True)
    for name in ("a.txt", "b.txt"):
        assert source.row(name).state == DocumentState.DELETED
        assert not source.row(name).searchable


def test_epoch_moves_with_what_a_search_can_see(source: Source) -> None:
    source.list("a.txt")
    assert source.epoch == 0
    source.fail("a.txt", retryable=False)
    assert source.epoch == 0
    source.index("a.txt")
    assert source.epoch == 1
    source.delete("a.txt")
    assert source.epoch == 2


def test_commit_is_one_transaction(source: Source) -> None:
    source.list("a.txt", "b.txt")
    done = [Indexed(source.id_of(name), "v1", name, 1) for name in ("a.txt", "b.txt")]
    commits.commit(source.engine, "docs", done, [])
    commits.commit(source.engine, "docs", done, [])
    assert source.epoch == 2
    assert documents.counts(source.engine) == {"docs": {"indexed": 2, "chunks": 2}}


def test_keep_brings_pending_back(source: Source) -> None:
    source.list("a.txt", "b.txt", "c.txt")
    source.index("a.txt", "v1")
    source.list(source.ref("a.txt", etag="2"))
    source.delete("b.txt")
    source.fail("c.txt", retryable=False)
    commits.keep(source.engine, [source.id_of(name) for name in ("a.txt", "b.txt", "c.txt")])
    states = [source.row(name).state for name in ("a.txt", "b.txt", "c.txt")]
    assert states == ["indexed", "deleted", "failed"]
    assert source.row("a.txt").indexed_version == "v1"


def test_purged_only_when_deleted(source: Source) -> None:
    source.list("a.txt", "b.txt")
    source.index("a.txt")
    source.index("b.txt")
    source.delete("a.txt")
    for name in ("a.txt", "b.txt"):
        commits.mark_purged(source.engine, source.id_of(name))
    gone, there = source.row("a.txt"), source.row("b.txt")
    assert (gone.indexed_version, gone.chunk_count, gone.purged) == (None, 0, 1)
    assert (there.indexed_version, there.chunk_count, there.purged) == ("v1", 2, 0)
