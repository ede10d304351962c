"""What any vector store keeps, replaces and removes."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from smartypants.protocols import VectorStore
from smartypants.testing._vectorstore_chunks import (
    ThreeChunks,
    chunk_ids,
    dense,
    lexical,
    upsert,
)
from smartypants.testing.hostile import HOSTILE_STRINGS
from smartypants.types import Chunk, Filters


class Writing(ThreeChunks):
    """Writing twice changes nothing; deleting removes what was named alone."""

    def test_create_again_keeps_what_is_there(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        store.create(physical, dimension=self.DIMENSION)
        assert store.count(physical) == len(three)

    def test_several_create_at_once(self, store: VectorStore) -> None:
        name = f"at_once_{uuid.uuid4().hex[:8]}__model__v1"
        together = threading.Barrier(4)

        def create(_: int) -> None:
            together.wait()
            store.create(name, dimension=self.DIMENSION)

        try:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(create, range(4)))
            assert store.count(name) == 0
        finally:
            store.drop(name)

    def test_upsert_replaces(self, store: VectorStore, physical: str, three: list[Chunk]) -> None:
        new = replace(three[0], text="Now about herons.", page=None)
        for _ in range(2):
            upsert(store, physical, [new], np.eye(4, dtype=np.float32)[3:], acl_ids=[9])
        assert store.count(physical) == len(three)
        assert [item.chunk for item in lexical(store, physical, "heron", acl_ids=(9,))] == [new]
        only = Filters((new.document_id,))
        assert not dense(store, physical, acl_ids=(1,), filters=only)
        assert not lexical(store, physical, "fox", acl_ids=(1, 9), filters=only)

    @pytest.mark.usefixtures("three")
    def test_upsert_of_nothing(self, store: VectorStore, physical: str) -> None:
        before = store.count(physical)
        upsert(store, physical, [], np.empty((0, 4), dtype=np.float32), acl_ids=[])
        assert store.count(physical) == before

    def test_delete_keeps_the_version_given(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        new = [replace(three[0], version="v2", index=index) for index in range(2)]
        vectors = np.eye(4, dtype=np.float32)[:2]
        upsert(store, physical, new, vectors, acl_ids=[1, 1])
        document_id = three[0].document_id
        for _ in range(2):
            store.delete_versions(physical, {document_id: ("v2", 2)})
            left = dense(store, physical, filters=Filters((document_id,)))
            assert chunk_ids(left) == {chunk.chunk_id for chunk in new}
        assert store.count(physical) == 4
        store.delete_versions(physical, {document_id: None})
        assert chunk_ids(dense(store, physical)) == {chunk.chunk_id for chunk in three[1:]}

    def test_delete_removes_what_is_beyond_the_count(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        document_id = three[0].document_id
        more = [replace(three[0], index=index) for index in range(1, 4)]
        upsert(store, physical, more, np.eye(4, dtype=np.float32)[:3], acl_ids=[1] * 3)
        for count in (4, 2, 2, 1, 0):
            store.delete_versions(physical, {document_id: ("v1", count)})
            left = dense(store, physical, filters=Filters((document_id,)))
            assert {item.chunk.index for item in left} == set(range(count))
        assert store.count(physical) == 2

    def test_delete_of_chunks(self, store: VectorStore, physical: str, three: list[Chunk]) -> None:
        gone = [three[0].chunk_id, three[2].chunk_id, "nobody"]
        for _ in range(2):
            store.delete_chunks(physical, gone)
            assert [item.chunk for item in dense(store, physical)] == [three[1]]
        store.delete_chunks(physical, [])
        assert store.count(physical) == 1

    @pytest.mark.parametrize("value", HOSTILE_STRINGS)
    def test_hostile_deletes_remove_nothing_else(
        self, store: VectorStore, physical: str, three: list[Chunk], value: str
    ) -> None:
        store.delete_versions(physical, {value: None, f"{value}x": (value, 1)})
        store.delete_chunks(physical, [value, f"{value}x"])
        assert store.count(physical) == len(three)

    def test_delete_of_many_documents(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        run = uuid.uuid4().hex[:8]
        many = [Chunk(f"{run}-{n}", "v1", 0, "An otter.", 0, 9) for n in range(130)]
        vectors = np.tile(np.eye(4, dtype=np.float32)[3], (len(many), 1))
        upsert(store, physical, many, vectors, acl_ids=[1] * len(many))
        assert store.count(physical) == len(many) + len(three)
        store.delete_versions(physical, {chunk.document_id: None for chunk in many})
        store.delete_versions(physical, {})
        assert store.count(physical) == len(three)

    def test_drop_is_idempotent(self, store: VectorStore) -> None:
        name = f"dropped{uuid.uuid4().hex[:8]}__model__v1"
        store.create(name, dimension=self.DIMENSION)
        store.drop(name)
        store.drop(name)
