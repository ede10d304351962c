from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from sqlalchemy import Engine

from smartypants.ledger import acls, collections, commits, listing
from smartypants.ledger.commits import Indexed
from smartypants.protocols import Vectors
from smartypants.recipes import Recipe
from smartypants.retrieving import retrieve
from smartypants.types import Chunk, DocumentRef, Filters, Query, SearchPlan, SearchResult
from smartypants.vectorstores.milvus import MilvusVectorStore

pytestmark = pytest.mark.integration
DIMENSION = 4


@dataclass(frozen=True)
class Index:
    """A collection that documents can be put into, and searches be made in."""

    engine: Engine
    store: MilvusVectorStore
    physical: str
    name: str

    def put(
        self,
        name: str,
        *texts: str,
        version: str = "v1",
        principals: tuple[str, ...] = ("public",),
        direction: int = 0,
        commit: bool = True,
    ) -> str:
        ref = DocumentRef("s", f"file:///{name}", name, version, 1, principals=principals)
        listing.register_source(
            self.engine, source_id="s", collection=self.name, kind="filesystem", uri="file:///"
        )
        listing.list_documents(self.engine, [ref], collection=self.name, job_id="j", max_attempts=1)
        with self.engine.begin() as connection:
            acl_id = acls.acl_id(connection, principals)
        chunks = [
            Chunk(ref.document_id, version, number, text, 0, len(text))
            for number, text in enumerate(texts)
        ]
        vectors = np.repeat(unit(direction)[None, :], len(chunks), axis=0)
        count = len(chunks)
        self.store.upsert(
            self.physical, chunks, vectors, acl_ids=[acl_id] * count, source_ids=["s"] * count
        )
        self.store.flush(self.physical)
        if commit:
            done = Indexed(ref.document_id, version, f"Title of {name}", count)
            commits.commit(self.engine, self.name, [done], [])
        return ref.document_id

    def search(self, text: str, *, direction: int = 0, **query: object) -> SearchResult:
        asked = Query(text, self.name, **query)  # type: ignore[arg-type]
        plan = SearchPlan(
            asked,
            text,
            self.physical,
            acls.allowed_acl_ids(self.engine, asked.principals),
            recipe=Recipe(candidates=20),
            rerank=False,
            filters=asked.filters,
        )

        async def embed(_: str) -> Vectors:
            return unit(direction)

        return asyncio.run(
            retrieve(
                plan,
                embed=embed,
                vectors=self.store,
                engine=self.engine,
                limit=asked.top_k,
            )
        )


def unit(direction: int) -> Vectors:
    vector = np.full(DIMENSION, 0.1, dtype=np.float32)
    vector[direction] = 1.0
    normalised: Vectors = vector / np.linalg.norm(vector)
    return normalised


@pytest.fixture
def index(engine: Engine, milvus: MilvusVectorStore) -> Iterator[Index]:
    name = f"c{uuid.uuid4().hex[:12]}"
    collection = collections.ensure(engine, name, embedding_model="m", dimension=DIMENSION)
    milvus.create(collection.physical, dimension=DIMENSION)
    yield Index(engine, milvus, collection.physical, name)
    milvus.drop(collection.physical)


def names(result: SearchResult) -> list[str]:
    return [hit.uri.rsplit("/", 1)[-1] for hit in result.hits]


def test_both_legs_find_and_agreement_ranks_first(index: Index) -> None:
    index.put("meaning", "nothing in common", direction=1)
    index.put("words", "a harbour, far away from everything else", direction=2)
    index.put("both", "the harbour crane", direction=1)
    result = index.search("harbour crane", direction=1)
    assert names(result)[0] == "both"
    assert set(names(result)) == {"both", "meaning", "words"}
    assert set(result.hits[0].scores) == {"dense", "bm25"}
    assert result.hits[0].title == "Title of both"
    assert {"embed", "dense", "bm25", "ledger"} <= set(result.timings_ms)


def test_only_committed_documents_show(index: Index) -> None:
    index.put("half", "harbour", commit=False)
    assert names(index.search("harbour")) == []


def test_former_version_never_shows_beside_the_new_one(index: Index) -> None:
    document_id = index.put("doc", "the old harbour", version="v1")
    index.put("doc", "the new harbour", version="v2", commit=False)
    assert [hit.chunk.text for hit in index.search("harbour").hits] == ["the old harbour"]
    commits.commit(index.engine, index.name, [Indexed(document_id, "v2", "T", 1)], [])
    assert [hit.chunk.text for hit in index.search("harbour").hits] == ["the new harbour"]


def test_deleted_document_is_hidden_at_once(index: Index) -> None:
    document_id = index.put("doc", "harbour")
    commits.mark_deleted(index.engine, index.name, [document_id])
    assert names(index.search("harbour")) == []


def test_permissions(index: Index) -> None:
    index.put("secret", "harbour", principals=("group:board",))
    index.put("open", "harbour")
    assert names(index.search("harbour")) == ["open"]
    asked = index.search("harbour", principals=("group:board",))
    assert set(names(asked)) == {"open", "secret"}


def test_filters_and_one_hit_a_document(index: Index) -> None:
    wanted = index.put("a", "harbour one", "harbour two")
    index.put("b", "harbour three")
    filtered = index.search("harbour", filters=Filters(document_ids=(wanted,)))
    assert names(filtered) == ["a", "a"]
    assert sorted(names(index.search("harbour", per_document=True))) == ["a", "b"]
    assert len(index.search("harbour", top_k=2).hits) == 2
