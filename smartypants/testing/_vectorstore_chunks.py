"""Chunks that the tests of vector stores write, and how they ask for them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from smartypants.protocols import Vectors, VectorStore
from smartypants.types import Candidate, Chunk, Filters

ALL_EQUAL = np.full(4, 0.5, dtype=np.float32)


class ThreeChunks:
    """Each test finds three documents in a collection of its class."""

    DIMENSION = 4

    @pytest.fixture(scope="class")
    @classmethod
    def physical(cls, store: VectorStore) -> Iterator[str]:
        name = f"contract{uuid.uuid4().hex[:8]}__model__v1"
        store.create(name, dimension=cls.DIMENSION)
        yield name
        store.drop(name)

    @pytest.fixture
    def three(self, store: VectorStore, physical: str) -> Iterator[list[Chunk]]:
        """Three documents of one chunk: acl ids 1, 2, 3; sources s1, s2, s3."""
        run = uuid.uuid4().hex[:8]
        texts = ("The fox runs.", "Foxes run and foxes hide.", "A fox, an owl and a badger meet.")
        chunks = [
            Chunk(f"{run}-{n}", "v1", 0, text, 10, 10 + len(text), ("Top", "Below"), "3", "Title")
            for n, text in enumerate(texts, start=1)
        ]
        upsert(store, physical, chunks, np.eye(4, dtype=np.float32)[:3], acl_ids=[1, 2, 3])
        yield chunks
        store.delete_versions(physical, {chunk.document_id: None for chunk in chunks})


def upsert(
    store: VectorStore,
    physical: str,
    chunks: Sequence[Chunk],
    vectors: Vectors,
    *,
    acl_ids: Sequence[int],
) -> None:
    sources = [f"s{acl_id}" for acl_id in acl_ids]
    store.upsert(physical, chunks, vectors, acl_ids=acl_ids, source_ids=sources)
    store.flush(physical)


def dense(
    store: VectorStore,
    physical: str,
    vector: Vectors = ALL_EQUAL,
    *,
    limit: int = 10,
    acl_ids: Sequence[int] = (1, 2, 3),
    filters: Filters = Filters(),  # noqa: B008 - frozen
) -> list[Candidate]:
    return store.dense(physical, vector[np.newaxis], limit=limit, acl_ids=acl_ids, filters=filters)[
        0
    ]


def lexical(
    store: VectorStore,
    physical: str,
    text: str,
    *,
    limit: int = 10,
    acl_ids: Sequence[int] = (1, 2, 3),
    filters: Filters = Filters(),  # noqa: B008 - frozen
) -> list[Candidate]:
    return store.lexical(physical, [text], limit=limit, acl_ids=acl_ids, filters=filters)[0]


def chunk_ids(found: Sequence[Candidate]) -> set[str]:
    ids = {item.chunk.chunk_id for item in found}
    assert len(ids) == len(found)
    return ids
