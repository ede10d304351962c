"""Several processes at the same rows: the same outcome in both databases, and no deadlock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, func, select

from smartypants.errors import CollectionNotFound
from smartypants.ledger import acls, collections, commits, documents, listing
from smartypants.ledger.commits import Failed, Indexed
from smartypants.ledger.database import reading
from smartypants.ledger.schema import acl_principals
from smartypants.types import DocumentRef
from tests.ledger.conftest import MAX_ATTEMPTS, Source

ROUNDS = 8
NAMES = [f"{number:03}.txt" for number in range(60)]


def at_once(*calls: Callable[[], object]) -> list[object]:
    """What each returns, all begun at the same moment; raises what one raises."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def list_as(source: Source, job: str, refs: list[DocumentRef]) -> listing.Listed:
    return listing.list_documents(
        source.engine, refs, collection="docs", job_id=job, max_attempts=MAX_ATTEMPTS
    )


def test_one_acl_for_one_set(engine: Engine) -> None:
    def make(principals: list[str]) -> int:
        with engine.begin() as connection:
            return acls.acl_id(connection, principals)

    for number in range(ROUNDS):
        members = [f"user:{number}", "group:staff"]
        ids = at_once(*[lambda given=members: make(given) for _ in range(6)])
        assert len(set(ids)) == 1
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(acl_principals)).scalar() == (
            2 * ROUNDS
        )


def test_two_jobs_list_the_same_new_documents(source: Source) -> None:
    for number in range(ROUNDS):
        refs = [
            source.ref(f"{number}-{name}", principals=(f"user:{number}-{name[2]}",))
            for name in NAMES
        ]
        listed = at_once(
            lambda refs=refs: list_as(source, "one", refs),
            lambda refs=refs: list_as(source, "two", refs[::-1]),
        )
        assert [item.pending for item in listed if isinstance(item, listing.Listed)] == [60, 60]
    assert documents.counts(source.engine)["docs"]["pending"] == ROUNDS * len(NAMES)


def test_listing_again_does_not_undo_a_commit(source: Source) -> None:
    refs = [source.ref(name) for name in NAMES]
    for number in range(ROUNDS):
        version = f"v{number}"
        changed = [source.ref(name, etag=version) for name in NAMES]
        list_as(source, "one", changed)
        done = [Indexed(ref.document_id, version, ref.name, 1) for ref in changed]
        at_once(
            lambda done=done: commits.commit(source.engine, "docs", done, []),
            lambda refs=changed: list_as(source, "two", refs),
        )
        rows = documents.by_id(source.engine, [ref.document_id for ref in refs]).values()
        assert {(row.state, row.indexed_version) for row in rows} == {("indexed", version)}


def test_listing_again_does_not_bring_a_deleted_one_back_to_view(source: Source) -> None:
    refs = [source.ref(name) for name in NAMES]
    ids = [ref.document_id for ref in refs]
    for _ in range(ROUNDS):
        list_as(source, "one", refs)
        done = [Indexed(ref.document_id, "v", ref.name, 1) for ref in refs]
        commits.commit(source.engine, "docs", done, [])
        at_once(
            lambda: commits.mark_deleted(source.engine, "docs", ids),
            lambda: list_as(source, "two", refs),
        )
        rows = documents.by_id(source.engine, ids).values()
        assert not any(row.searchable for row in rows)
        assert len({row.state for row in rows}) == 1


def test_changes_in_opposite_orders(source: Source) -> None:
    refs = [source.ref(name) for name in NAMES]
    list_as(source, "one", refs)
    bad = [Failed(ref.document_id, "code", "message", retryable=True) for ref in refs]
    ids = [ref.document_id for ref in refs]
    good = [Indexed(key, "v", "t", 1) for key in ids]
    for _ in range(ROUNDS):
        at_once(
            lambda: commits.commit(source.engine, "docs", [], bad),
            lambda: commits.commit(source.engine, "docs", [], bad[::-1]),
            lambda: commits.commit(source.engine, "docs", good[30:], bad[:30]),
            lambda: commits.keep(source.engine, dict.fromkeys(ids[::-1], refs[0].etag)),
            lambda: commits.mark_deleted(source.engine, "docs", ids[::-7]),
            lambda: list_as(source, "two", refs[::-1]),
        )


def test_every_commit_moves_the_epoch(source: Source) -> None:
    source.list(*NAMES)

    def commit(name: str) -> None:
        source.index(name)

    at_once(*[lambda name=name: commit(name) for name in NAMES[:8]])
    assert source.epoch == 8


def test_a_collection_that_is_forgotten_meanwhile(engine: Engine) -> None:
    for _ in range(ROUNDS):
        source = Source(engine)
        refs = [source.ref(name) for name in NAMES]
        list_as(source, "one", refs)

        def relist(source: Source = source, refs: list[DocumentRef] = refs) -> str:
            try:
                list_as(source, "two", refs)
            except CollectionNotFound:
                return "gone"
            return "listed"

        done = [Indexed(ref.document_id, "v", "t", 1) for ref in refs]
        outcome = at_once(
            lambda: collections.forget(engine, "docs"),
            relist,
            lambda done=done: commits.commit(engine, "docs", done, []),
        )
        assert sorted(outcome[0]) == sorted(ref.document_id for ref in refs)  # type: ignore[call-overload]
        assert collections.every(engine) == []


def test_a_listing_after_the_collection_has_gone(source: Source) -> None:
    collections.forget(source.engine, "docs")
    with pytest.raises(CollectionNotFound):
        source.list("a.txt")
    assert documents.by_id(source.engine, [source.id_of("a.txt")]) == {}
