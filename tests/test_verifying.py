"""Ledger and vector store compared, on a real Milvus Lite server, with faults made on purpose."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from sqlalchemy import Engine

from smartypants.attributes import Attributes
from smartypants.errors import CollectionNotFound
from smartypants.ledger import collections, commits, documents, jobs, listing
from smartypants.ledger.commits import Indexed
from smartypants.types import Chunk, DocumentState
from smartypants.vectorstores.milvus import MilvusVectorStore
from smartypants.verifying import Verification, repair, verify
from tests.ledger.conftest import Source

pytestmark = pytest.mark.integration


class Site:
    """A source, its collection, and the vector store that holds its chunks."""

    def __init__(self, engine: Engine, vectors: MilvusVectorStore) -> None:
        self.engine = engine
        self.vectors = vectors
        self.source = Source(engine, f"c{uuid.uuid4().hex[:8]}")
        self.collection = self.source.collection
        self.physical = collections.get(engine, self.collection).physical
        vectors.create(self.physical, dimension=4)

    def store(
        self,
        name: str,
        indexes: Sequence[int] = (0, 1, 2),
        *,
        version: str = "v1",
        acl_id: int | None = None,
        source_id: str | None = None,
        known: Attributes | None = None,
    ) -> list[str]:
        """Write chunks, as a pipeline does; their ids."""
        row = documents.by_id(self.engine, [self.source.id_of(name)]).get(self.source.id_of(name))
        chunks = [Chunk(self.source.id_of(name), version, n, f"{name} {n}", 0, 4) for n in indexes]
        self.vectors.upsert(
            self.physical,
            chunks,
            np.tile(np.eye(4, dtype=np.float32)[0], (len(chunks), 1)),
            acl_ids=[acl_id if acl_id is not None else row.acl_id if row else 1] * len(chunks),
            source_ids=[source_id or self.source.source_id] * len(chunks),
            attributes=[known or Attributes("text/plain")] * len(chunks),
        )
        return [chunk.chunk_id for chunk in chunks]

    def index(self, *names: str) -> None:
        self.source.list(*names)
        for name in names:
            self.store(name)
            self.source.index(name, chunks=3)

    def verify(self) -> Verification:
        return verify(self.engine, self.vectors, self.collection)

    def repair(self, found: Verification) -> list[jobs.Job]:
        return repair(self.engine, self.vectors, found)

    def work(self) -> set[str]:
        """What a job does about the pending documents; their names."""
        rows = documents.pending(self.engine, self.source.source_id)
        for row in rows:
            self.store(row.name)
            done = Indexed(row.id, "v1", row.name, 3)
            commits.commit(self.engine, self.collection, [done], [])
            self.vectors.delete_versions(self.physical, {row.id: ("v1", 3)})
        return {row.name for row in rows}


@pytest.fixture
def site(engine: Engine, milvus: MilvusVectorStore) -> Iterator[Site]:
    site = Site(engine, milvus)
    yield site
    milvus.drop(site.physical)


@pytest.fixture
def sound(site: Site) -> Site:
    """Three documents of three chunks, all well."""
    site.index("a.txt", "b.txt", "c.txt")
    return site


def assert_sound(site: Site, documents_: int = 3) -> None:
    found = site.verify()
    assert found.ok, found
    assert (found.documents, found.chunks) == (documents_, 3 * documents_)
    assert (found.unfinished, found.pending) == (0, 0)
    assert site.repair(found) == []


def test_nothing_to_find(sound: Site) -> None:
    assert_sound(sound)


def test_empty_collection(site: Site) -> None:
    assert site.verify() == Verification(site.collection)


def test_missing_collection(site: Site) -> None:
    with pytest.raises(CollectionNotFound):
        verify(site.engine, site.vectors, "nowhere")


@pytest.mark.parametrize("lost", [[0], [2], [0, 1, 2]])
def test_missing_chunks(sound: Site, lost: list[int]) -> None:
    ids = sound.store("b.txt")
    sound.vectors.delete_chunks(sound.physical, [ids[n] for n in lost])
    found = sound.verify()
    assert (found.ok, found.incomplete) == (False, [sound.source.id_of("b.txt")])
    assert not found.stale + found.orphans + found.misplaced

    [job] = sound.repair(found)
    assert (job.kind, job.collection, job.state) == ("ingest", sound.collection, "queued")
    assert job.params == {"connector": "filesystem", "uri": "/docs"}
    assert not sound.source.row("b.txt").searchable, "half a document was shown"
    assert sound.source.row("a.txt").searchable
    waiting = sound.verify()
    assert (waiting.ok, waiting.documents, waiting.pending) == (True, 2, 1)
    assert waiting.unfinished == 3 - len(lost)
    assert sound.work() == {"b.txt"}
    assert_sound(sound)


def test_stale_version(sound: Site) -> None:
    stale = sound.store("a.txt", version="v0")
    found = sound.verify()
    assert not found.ok
    assert sorted(found.stale) == sorted(stale)
    assert not found.incomplete + found.orphans + found.misplaced
    assert sound.repair(found) == []
    assert_sound(sound)


def test_more_chunks_than_the_version_has(sound: Site) -> None:
    beyond = sound.store("a.txt", [3, 4])
    found = sound.verify()
    assert not found.ok
    assert sorted(found.stale) == sorted(beyond)
    assert found.incomplete == []
    assert sound.repair(found) == []
    assert_sound(sound)


def test_a_chunk_beyond_does_not_stand_in_for_a_missing_one(sound: Site) -> None:
    ids = sound.store("a.txt", [0, 1, 2, 3])
    sound.vectors.delete_chunks(sound.physical, [ids[0]])
    found = sound.verify()
    assert (found.incomplete, found.stale) == ([sound.source.id_of("a.txt")], [ids[3]])
    assert len(sound.repair(found)) == 1
    assert sound.work() == {"a.txt"}
    assert_sound(sound)


def test_chunks_of_deleted_and_unknown_documents(sound: Site) -> None:
    unknown = sound.store("nobody.txt")
    sound.source.delete("c.txt")
    found = sound.verify()
    assert not found.ok
    assert sorted(found.orphans) == sorted([*unknown, *sound_ids(sound, "c.txt")])
    assert not found.incomplete + found.stale + found.misplaced
    assert sound.repair(found) == []
    assert sound.source.row("c.txt").state == DocumentState.DELETED
    assert_sound(sound, 2)


def sound_ids(site: Site, name: str) -> list[str]:
    return [Chunk(site.source.id_of(name), "v1", n, "", 0, 0).chunk_id for n in range(3)]


def test_chunks_of_a_document_of_another_collection(
    sound: Site, engine: Engine, milvus: MilvusVectorStore
) -> None:
    other = Site(engine, milvus)
    other.index("z.txt")
    strays = [Chunk(other.source.id_of("z.txt"), "v1", n, "z", 0, 1) for n in range(2)]
    milvus.upsert(
        sound.physical, strays, np.eye(4, dtype=np.float32)[:2],
        acl_ids=[1, 1], source_ids=[other.source.source_id] * 2,
    )  # fmt: skip
    found = sound.verify()
    assert sorted(found.orphans) == sorted(chunk.chunk_id for chunk in strays)
    sound.repair(found)
    assert_sound(sound)
    assert_sound(other, 1)
    milvus.drop(other.physical)


@pytest.mark.parametrize(
    "fault", [{"acl_id": 99}, {"source_id": "other"}, {"known": Attributes("text/html")}]
)
def test_wrong_acl_source_or_type(sound: Site, fault: dict[str, object]) -> None:
    sound.store("b.txt", [1], **fault)  # type: ignore[arg-type]
    found = sound.verify()
    assert (found.ok, found.misplaced) == (False, [sound.source.id_of("b.txt")])
    assert not found.incomplete + found.stale + found.orphans
    assert len(sound.repair(found)) == 1
    assert not sound.source.row("b.txt").searchable, "readable by whom it is not for"
    assert sound.work() == {"b.txt"}
    assert_sound(sound)


def test_unfinished_work_is_no_fault(sound: Site) -> None:
    sound.source.list("new.txt")
    sound.store("new.txt", [0, 1])
    sound.source.list(sound.source.ref("a.txt", etag="2"))
    sound.store("a.txt", [0], version="v2")
    sound.source.list("bad.txt")
    sound.store("bad.txt", [0])
    sound.source.fail("bad.txt", retryable=True)
    found = sound.verify()
    assert found.ok
    assert (found.documents, found.chunks) == (3, 13)
    assert (found.unfinished, found.pending, found.failed) == (4, 2, 1)
    assert sound.repair(found) == []
    assert sound.vectors.count(sound.physical) == 13


def test_all_at_once_and_repaired_twice(sound: Site) -> None:
    ids = sound.store("a.txt")
    sound.vectors.delete_chunks(sound.physical, [ids[1]])
    sound.store("a.txt", [7])
    sound.store("b.txt", version="v0")
    sound.store("b.txt", [2], acl_id=99)
    sound.store("nobody.txt")
    sound.source.delete("c.txt")
    found = sound.verify()
    assert (len(found.incomplete), len(found.misplaced)) == (1, 1)
    assert (len(found.stale), len(found.orphans)) == (4, 6)
    for _ in range(2):
        assert len(sound.repair(found)) == 1
    assert sound.work() == {"a.txt", "b.txt"}
    assert_sound(sound, 2)


def test_one_job_a_source(site: Site) -> None:
    """Documents of two sources lost chunks: each source has a job of its own."""
    site.index("a.txt", "b.txt")
    other = Source(site.engine, site.collection)
    other.source_id = "uploads-source"
    listing.register_source(
        site.engine, source_id=other.source_id, collection=site.collection,
        kind="uploads", uri="upload:",
    )  # fmt: skip
    other.list("u.txt")
    other.index("u.txt", chunks=3)
    ids = site.store("a.txt") + site.store("b.txt")
    site.vectors.delete_chunks(site.physical, ids)
    submitted = site.repair(site.verify())
    found = sorted((job.params["connector"], job.params["uri"]) for job in submitted)
    assert found == [("filesystem", "/docs"), ("uploads", "upload:")]


def test_more_than_a_page_of_everything(site: Site) -> None:
    """2,600 chunks of 520 documents: three pages of the store, two of the ledger."""
    names = [f"{n}.txt" for n in range(520)]
    site.source.list(*names)
    chunks = [
        Chunk(site.source.id_of(name), "v1", n, "x", 0, 1) for name in names for n in range(5)
    ]
    acl_id = site.source.row("0.txt").acl_id
    for start in range(0, len(chunks), 500):
        part = chunks[start : start + 500]
        site.vectors.upsert(
            site.physical,
            part,
            np.tile(np.eye(4, dtype=np.float32)[0], (len(part), 1)),
            acl_ids=[acl_id] * len(part),
            source_ids=[site.source.source_id] * len(part),
            attributes=[Attributes("text/plain")] * len(part),
        )
    done = [Indexed(site.source.id_of(name), "v1", name, 5) for name in names]
    commits.commit(site.engine, site.collection, done, [])
    found = site.verify()
    assert found.ok
    assert (found.documents, found.chunks) == (520, 2600)

    lost = [chunks[n].chunk_id for n in range(0, 2600, 5)]  # of each document the first
    site.vectors.delete_chunks(site.physical, lost)
    found = site.verify()
    assert (len(found.incomplete), found.chunks) == (520, 2080)
    assert len(site.repair(found)) == 1
    assert documents.count_pending(site.engine, site.source.source_id) == 520
