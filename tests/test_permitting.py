"""Other ACLs of documents that are as they were reach the vector store, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from sqlalchemy import Engine

from smartypants.ledger import acls, collections, commits, documents
from smartypants.ledger.commits import Indexed
from smartypants.permitting import permit
from smartypants.types import Chunk, Filters
from smartypants.vectorstores.milvus import MilvusVectorStore
from smartypants.verifying import verify
from tests.ledger.conftest import Source


@pytest.fixture
def source(engine: Engine, milvus: MilvusVectorStore) -> Iterator[Source]:
    made = Source(engine, "permits")
    physical = collections.get(engine, "permits").physical
    milvus.create(physical, dimension=4)
    yield made
    milvus.drop(physical)


def index(source: Source, store: MilvusVectorStore, name: str, chunks: int = 2) -> None:
    row = source.row(name)
    texts = [f"Passage {number} of {name}." for number in range(chunks)]
    made = [Chunk(row.id, "v1", n, text, 0, len(text)) for n, text in enumerate(texts)]
    vectors = np.eye(4, dtype=np.float32)[:chunks]
    physical = collections.get(source.engine, source.collection).physical
    store.upsert(
        physical,
        made,
        vectors,
        acl_ids=[row.acl_id] * chunks,
        source_ids=[row.source_id] * chunks,
        attributes=[row.attributes] * chunks,
    )
    store.flush(physical)
    done = Indexed(row.id, "v1", f"Title of {name}", chunks, acl_id=row.acl_id)
    commits.commit(source.engine, source.collection, [done], [])


def carried(source: Source, store: MilvusVectorStore, name: str) -> set[int]:
    physical = collections.get(source.engine, source.collection).physical
    batches = store.scan(physical, document_ids=[source.row(name).id])
    return {item.acl_id for batch in batches for item in batch}


def test_a_wider_acl_is_found_by(source: Source, milvus: MilvusVectorStore) -> None:
    engine = source.engine
    source.list(source.ref("a", principals=("user:ann",)), source.ref("b", principals=()))
    for name in ("a", "b"):
        index(source, milvus, name)
    assert permit(engine, milvus, "permits") == 0
    source.list(source.ref("a", principals=("user:ann", "user:bob")), source.ref("b", "1", ()))
    assert source.row("a").state == "indexed"
    before = source.epoch
    assert permit(engine, milvus, "permits") == 1
    assert source.epoch > before  # what was cached may lack it
    assert carried(source, milvus, "a") == {source.row("a").acl_id}
    bobs = acls.allowed_acl_ids(engine, ["user:bob"])
    physical = collections.get(engine, "permits").physical
    [found] = milvus.lexical(physical, ["passage"], limit=9, acl_ids=bobs, filters=Filters())
    assert {item.chunk.document_id for item in found} == {source.row("a").id}
    [near] = milvus.dense(
        physical, np.eye(4, dtype=np.float32)[:1], limit=9, acl_ids=bobs, filters=Filters()
    )
    assert [item.score for item in near][:1] == [pytest.approx(1.0)]  # the vectors are the same
    assert permit(engine, milvus, "permits") == 0
    assert verify(engine, milvus, "permits").ok


def test_back_to_what_it_was_needs_no_write(source: Source, milvus: MilvusVectorStore) -> None:
    source.list(source.ref("a", principals=("user:ann",)))
    index(source, milvus, "a")
    source.list(source.ref("a", principals=("user:bob",)))
    source.list(source.ref("a", principals=("user:ann",)))
    assert permit(source.engine, milvus, "permits") == 0


def test_an_acl_that_changed_while_it_was_indexed(
    source: Source, milvus: MilvusVectorStore
) -> None:
    source.list(source.ref("a", principals=("user:ann",)))
    former = source.row("a").acl_id
    index(source, milvus, "a")
    done = Indexed(source.row("a").id, "v1", "a", 2, acl_id=former)
    source.list(source.ref("a", etag="2", principals=("user:bob",)))
    commits.commit(source.engine, "permits", [done], [])
    assert carried(source, milvus, "a") == {former}
    assert permit(source.engine, milvus, "permits") == 1
    assert carried(source, milvus, "a") == {source.row("a").acl_id} != {former}


def test_documents_that_are_gone_are_left_alone(source: Source, milvus: MilvusVectorStore) -> None:
    source.list(source.ref("a", principals=("user:ann",)))
    index(source, milvus, "a")
    source.list(source.ref("a", principals=("user:bob",)))
    source.delete("a")
    assert permit(source.engine, milvus, "permits") == 0
    assert documents.known(source.engine, source.row("a").id).placed_acl_id is not None
