"""Changes of what searches may show."""

from __future__ import annotations

import time

import pytest

from smartypants.ledger import commits, documents
from smartypants.ledger.commits import MAX_RETRY_S, RETRY_S, Failed, Indexed
from smartypants.ledger.database import BATCH
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
    assert row.retry_at is None


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


def test_what_changed_while_it_was_read_is_read_again(source: Source) -> None:
    names = ("a.txt", "b.txt", "c.txt")
    source.list(*names)
    for name in names:
        source.index(name)
    source.list(*(source.ref(name, etag="2") for name in names))
    read = {name: source.row(name).ref for name in names}
    source.list(*(source.ref(name, etag="3") for name in names))
    a, b, c = (source.id_of(name) for name in names)
    done = Indexed(a, "v2", "A", 1, etag=read["a.txt"].etag)
    bad = Failed(b, "document_unreadable", "It is damaged.", False, etag=read["b.txt"].etag)
    commits.commit(source.engine, "docs", [done], [bad])
    commits.keep(source.engine, {c: read["c.txt"].etag})
    rows = [source.row(name) for name in names]
    assert [row.state for row in rows] == ["pending"] * 3
    assert [row.indexed_version for row in rows] == ["v2", "v1", "v1"]
    assert all(row.error is None for row in rows)
    newest = {name: source.row(name).ref.etag for name in names}
    done = Indexed(a, "v3", "A", 1, etag=newest["a.txt"])
    bad = Failed(b, "document_unreadable", "It is damaged.", False, etag=newest["b.txt"])
    commits.commit(source.engine, "docs", [done], [bad])
    commits.keep(source.engine, {c: newest["c.txt"]})
    assert [source.row(name).state for name in names] == ["indexed", "failed", "indexed"]


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
    refs = [source.row(name).ref for name in ("a.txt", "b.txt", "c.txt")]
    commits.keep(source.engine, {ref.document_id: ref.etag for ref in refs})
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


def test_time_to_the_next_attempt_doubles(source: Source) -> None:
    source.list("a.txt")
    waits = []
    for attempt in range(1, 12):
        source.fail("a.txt", retryable=True)
        row = source.row("a.txt")
        assert row.retry_at is not None
        assert row.attempts == attempt
        waits.append(row.retry_at - row.updated_at)
    doubled = [RETRY_S * 2**n for n in range(8)]
    assert waits == pytest.approx([*doubled, *[MAX_RETRY_S] * 3], abs=0.01)
    assert max(doubled) <= MAX_RETRY_S


def test_final_failure_has_no_next_attempt(source: Source) -> None:
    source.list("a.txt")
    source.fail("a.txt", retryable=True)
    assert (source.row("a.txt").retry_at or 0) > time.time()
    source.fail("a.txt", retryable=False)
    assert source.row("a.txt").retry_at is None


def test_begin_again_hides_until_indexed_anew(source: Source) -> None:
    source.list("a.txt", "b.txt", "c.txt", "d.txt")
    source.index("a.txt")
    for _ in range(2):
        source.fail("b.txt", retryable=True)
    source.delete("c.txt")
    source.index("d.txt")
    epoch = source.epoch
    ids = [source.id_of(name) for name in ("a.txt", "b.txt", "c.txt")]
    commits.begin_again(source.engine, "docs", ids)
    assert source.epoch == epoch + 1
    for name in ("a.txt", "b.txt"):
        row = source.row(name)
        assert (row.state, row.indexed_version, row.attempts) == ("pending", None, 0)
        assert not row.searchable
    assert source.row("c.txt").state == DocumentState.DELETED
    assert source.row("d.txt").searchable
    source.index("a.txt")
    assert source.row("a.txt").searchable


def test_begin_again_of_many(source: Source) -> None:
    names = [f"{n}.txt" for n in range(BATCH + 3)]
    source.list(*names)
    done = [Indexed(source.id_of(name), "v1", name, 1) for name in names]
    commits.commit(source.engine, "docs", done, [])
    commits.begin_again(source.engine, "docs", [source.id_of(name) for name in names])
    assert documents.count_pending(source.engine, source.source_id) == len(names)
