"""What waits, what vanished, what may be shown."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import update

from smartypants.errors import DocumentNotFound
from smartypants.ledger import documents
from smartypants.ledger.acls import allowed_acl_ids
from smartypants.ledger.database import BATCH
from smartypants.ledger.schema import documents as table
from smartypants.types import DocumentState
from tests.ledger.conftest import MAX_ATTEMPTS, Source


def test_get(source: Source) -> None:
    source.list("a.txt")
    assert documents.get(source.engine, source.id_of("a.txt")).name == "a.txt"
    source.delete("a.txt")
    for document_id in (source.id_of("a.txt"), "nobody", "' or 1=1 --"):
        with pytest.raises(DocumentNotFound):
            documents.get(source.engine, document_id)


def test_many_ids_at_once(source: Source) -> None:
    names = [f"{n}.txt" for n in range(BATCH + 5)]
    source.list(*names)
    ids = [source.id_of(name) for name in names]
    assert set(documents.by_id(source.engine, [*ids, *ids, "nobody"])) == set(ids)


def test_vanished(source: Source) -> None:
    source.list("a.txt", "b.txt", "c.txt", "d.txt")
    source.delete("d.txt")
    source.list("b.txt")
    gone, total = documents.vanished(source.engine, source.source_id, source.job)
    assert ({row.name for row in gone}, total) == ({"a.txt", "c.txt"}, 3)


def test_paging_shows_each_document_once(source: Source) -> None:
    names = [f"{n}.txt" for n in range(23)]
    source.list(*names)
    allowed = allowed_acl_ids(source.engine, [])
    seen: list[str] = []
    while rows := documents.page(
        source.engine, acl_ids=allowed, after=seen[-1] if seen else "", limit=5
    ):
        assert len(rows) <= 5
        seen += [row.id for row in rows]
    assert seen == sorted(source.id_of(name) for name in names)


def test_page_filters(source: Source) -> None:
    source.list("a.txt", "b.txt", "c.txt", source.ref("d.txt", principals=("user:ann",)))
    other = Source(source.engine, "other")
    other.list("z.txt")
    source.index("a.txt")
    source.fail("b.txt", retryable=False)
    source.delete("c.txt")

    def names(*principals: str, **filters: str) -> set[str]:
        rows = documents.page(
            source.engine,
            acl_ids=allowed_acl_ids(source.engine, principals),
            limit=99,
            **filters,  # type: ignore[arg-type]
        )
        return {row.name for row in rows}

    assert names() == {"a.txt", "b.txt", "z.txt"}
    assert names("user:ann", collection="docs") == {"a.txt", "b.txt", "d.txt"}
    assert names(collection="docs", state="failed") == {"b.txt"}
    assert names(state="deleted") == {"c.txt"}
    assert names(job_id="job1", collection="other") == {"z.txt"}
    assert documents.page(source.engine, acl_ids=[], limit=9) == []
    failed = documents.failed_in(source.engine, "job1", limit=9)
    assert [row.name for row in failed] == ["b.txt"]


def test_counts(source: Source) -> None:
    source.list("a.txt", "b.txt", "c.txt")
    source.index("a.txt", chunks=3)
    source.index("b.txt", chunks=4)
    assert documents.counts(source.engine) == {"docs": {"indexed": 2, "pending": 1, "chunks": 7}}


def test_unpurged(source: Source) -> None:
    source.list("a.txt", "b.txt")
    source.delete("a.txt")
    assert [row.name for row in documents.unpurged(source.engine, "docs")] == ["a.txt"]
    assert documents.unpurged(source.engine, "other") == []


def test_pending_page_by_page(source: Source) -> None:
    names = [f"{n}.txt" for n in range(11)]
    source.list(*names)
    Source(source.engine, "other").list("z.txt")
    source.index("3.txt")
    source.fail("4.txt", retryable=True)
    source.delete("5.txt")
    assert documents.count_pending(source.engine, source.source_id) == 8
    found: list[str] = []
    while page := documents.pending(
        source.engine, source.source_id, after=found[-1] if found else "", limit=3
    ):
        assert len(page) <= 3
        found += [row.id for row in page]
    left = [name for name in names if name not in ("3.txt", "4.txt", "5.txt")]
    assert found == sorted(source.id_of(name) for name in left)


def test_a_whole_collection_page_by_page(source: Source) -> None:
    source.list("a.txt", "b.txt", "c.txt")
    Source(source.engine, "other").list("z.txt")
    source.delete("b.txt")
    first = documents.of_collection(source.engine, "docs", limit=2)
    second = documents.of_collection(source.engine, "docs", after=first[-1].id, limit=2)
    assert {row.name for row in first + second} == {"a.txt", "b.txt", "c.txt"}
    assert documents.of_collection(source.engine, "docs", after=second[-1].id) == []


def retry_at(source: Source, name: str, when: float | None) -> None:
    with source.engine.begin() as connection:
        of = table.c.id == source.id_of(name)
        connection.execute(update(table).where(of).values(retry_at=when))


def retry_due(source: Source) -> float | None:
    return documents.retry_due(source.engine, source.source_id, max_attempts=MAX_ATTEMPTS)


def test_nothing_is_tried_again(source: Source) -> None:
    assert retry_due(source) is None
    source.list("final.txt", "spent.txt", "fine.txt", "gone.txt", "waits.txt")
    source.fail("final.txt", retryable=False)
    for _ in range(MAX_ATTEMPTS):
        source.fail("spent.txt", retryable=True)
    retry_at(source, "spent.txt", 1.0)
    source.index("fine.txt")
    source.fail("gone.txt", retryable=True)
    source.delete("gone.txt")
    assert retry_due(source) is None
    states = [source.row(name).state for name in ("final.txt", "spent.txt", "gone.txt")]
    assert states == [DocumentState.FAILED, DocumentState.FAILED, DocumentState.DELETED]


def test_failures_wait_for_their_time(source: Source) -> None:
    source.list("a.txt", "b.txt")
    other = Source(source.engine, "other")
    other.list("z.txt")
    for name in ("a.txt", "b.txt"):
        source.fail(name, retryable=True)
    other.fail("z.txt", retryable=True)
    retry_at(other, "z.txt", 1.0)
    soon, later = time.time() + 100, time.time() + 200
    retry_at(source, "a.txt", soon)
    retry_at(source, "b.txt", later)
    assert retry_due(source) == pytest.approx(soon)
    assert source.row("a.txt").state == DocumentState.FAILED

    retry_at(source, "a.txt", time.time() - 1)
    due = retry_due(source)
    assert due is not None
    assert due <= time.time(), "there is work to do now"
    assert source.row("a.txt").state == DocumentState.PENDING
    assert source.row("a.txt").attempts == 1
    assert retry_due(source) == pytest.approx(later)
    assert other.row("z.txt").state == DocumentState.FAILED


def test_failure_from_before_there_were_times(source: Source) -> None:
    source.list("a.txt")
    source.fail("a.txt", retryable=True)
    retry_at(source, "a.txt", None)
    assert retry_due(source) is not None
    assert source.row("a.txt").state == DocumentState.PENDING


def test_dead_letters(source: Source) -> None:
    source.list("final.txt", "spent.txt", "again.txt", "fine.txt")
    source.fail("final.txt", retryable=False)
    for _ in range(MAX_ATTEMPTS):
        source.fail("spent.txt", retryable=True)
    source.fail("again.txt", retryable=True)
    source.index("fine.txt")
    dead = documents.page(
        source.engine,
        state=documents.DEAD,
        max_attempts=MAX_ATTEMPTS,
        acl_ids=allowed_acl_ids(source.engine, []),
        limit=9,
    )
    assert {row.name for row in dead} == {"final.txt", "spent.txt"}
