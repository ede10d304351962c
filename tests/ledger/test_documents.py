"""What waits, what vanished, what may be shown."""

from __future__ import annotations

import pytest

from smartypants.errors import DocumentNotFound
from smartypants.ledger import documents
from smartypants.ledger.acls import allowed_acl_ids
from smartypants.ledger.database import BATCH
from tests.ledger.conftest import Source


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
