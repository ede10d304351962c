"""Documents taken away from every store."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from smartypants import deleting
from smartypants.blobstores.arrow import ArrowBlobStore
from smartypants.errors import CollectionNotFound, NotFound, VectorStoreUnavailable
from smartypants.ledger import collections, commits, documents, generations
from smartypants.settings import Settings
from smartypants.types import Chunk, Filters
from smartypants.vectorstores.milvus import MilvusVectorStore
from tests.ledger.conftest import Source
from tests.ports import free_port

pytestmark = pytest.mark.integration

UNIT = np.eye(4, dtype=np.float32)


@pytest.fixture
def source(engine: Engine, milvus: MilvusVectorStore) -> Iterator[Source]:
    source = Source(engine, f"c{uuid.uuid4().hex[:8]}")
    physical = collections.get(engine, source.collection).physical
    milvus.create(physical, dimension=4)
    yield source
    milvus.drop(physical)


@pytest.fixture
def blobs(tmp_path: Path) -> ArrowBlobStore:
    return ArrowBlobStore(uri=(tmp_path / "blobs").as_uri())


def fill(source: Source, milvus: MilvusVectorStore, blobs: ArrowBlobStore, *names: str) -> None:
    physical = collections.get(source.engine, source.collection).physical
    source.list(*names)
    for name in names:
        chunk = Chunk(source.id_of(name), "v1", 0, f"Text of {name}", 0, 4)
        milvus.upsert(physical, [chunk], UNIT[:1], acl_ids=[1], source_ids=["s"])
        for kind in ("raw", "text"):
            blobs.put(f"{kind}/{source.id_of(name)}/v1", b"x")
        source.index(name)
    milvus.flush(physical)


def found(source: Source, milvus: MilvusVectorStore) -> set[str]:
    physical = collections.get(source.engine, source.collection).physical
    [hits] = milvus.dense(physical, UNIT[:1], limit=9, acl_ids=[1], filters=Filters())
    return {hit.chunk.document_id for hit in hits}


def test_removed_from_every_store(
    source: Source,
    milvus: MilvusVectorStore,
    blobs: ArrowBlobStore,
    tmp_path: Path,
    milvus_port: int,
) -> None:
    fill(source, milvus, blobs, "a.txt", "b.txt")
    settings = Settings(data_dir=tmp_path, vectors={"embedded_port": milvus_port})
    gone = source.id_of("a.txt")
    deleting.remove_documents(settings, source.engine, source.collection, [gone])
    assert found(source, milvus) == {source.id_of("b.txt")}
    for kind in ("raw", "text"):
        with pytest.raises(NotFound):
            blobs.get(f"{kind}/{gone}/v1")
        assert blobs.get(f"{kind}/{source.id_of('b.txt')}/v1") == b"x"
    assert source.row("a.txt").purged == 1
    assert deleting.purge(source.engine, source.collection, milvus, blobs) == 0


def test_store_that_fails_leaves_them_hidden(
    source: Source, milvus: MilvusVectorStore, blobs: ArrowBlobStore
) -> None:
    fill(source, milvus, blobs, "a.txt")
    commits.mark_deleted(source.engine, source.collection, [source.id_of("a.txt")])
    down = MilvusVectorStore(uri=f"http://127.0.0.1:{free_port()}", embedded=True)
    with pytest.raises(VectorStoreUnavailable):
        deleting.purge(source.engine, source.collection, down, blobs)
    assert not source.row("a.txt").searchable
    assert len(documents.unpurged(source.engine, source.collection)) == 1
    assert deleting.purge(source.engine, source.collection, milvus, blobs) == 1
    assert found(source, milvus) == set()


def test_removed_from_a_generation_that_is_being_filled(
    source: Source, milvus: MilvusVectorStore, blobs: ArrowBlobStore
) -> None:
    fill(source, milvus, blobs, "a.txt", "b.txt")
    new, _ = generations.begin(
        source.engine, source.collection, embedding_model="m", dimension=4, recipe="r"
    )
    milvus.create(new.physical, dimension=4)
    for name in ("a.txt", "b.txt"):
        chunk = Chunk(source.id_of(name), "v1", 0, f"Text of {name}", 0, 4)
        milvus.upsert(new.physical, [chunk], UNIT[:1], acl_ids=[1], source_ids=["s"])
    milvus.flush(new.physical)
    source.delete("a.txt")
    assert deleting.purge(source.engine, source.collection, milvus, blobs) == 1
    [stored] = [item for batch in milvus.scan(new.physical) for item in batch]
    assert stored.chunk.document_id == source.id_of("b.txt")
    deleting.drop_collection(source.engine, source.collection, milvus, blobs)
    assert not milvus.client.has_collection(new.physical)


def test_dropped_collection(
    source: Source, milvus: MilvusVectorStore, blobs: ArrowBlobStore
) -> None:
    fill(source, milvus, blobs, "a.txt")
    physical = collections.get(source.engine, source.collection).physical
    deleting.drop_collection(source.engine, source.collection, milvus, blobs)
    assert not milvus.client.has_collection(physical)
    with pytest.raises(NotFound):
        blobs.get(f"raw/{source.id_of('a.txt')}/v1")
    with pytest.raises(CollectionNotFound):
        deleting.drop_collection(source.engine, source.collection, milvus, blobs)
    collections.ensure(source.engine, source.collection, embedding_model="m", dimension=4)
