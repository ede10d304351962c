"""Whether any vector store tells which documents lack chunks."""

from __future__ import annotations

import uuid
from dataclasses import replace

import numpy as np
import pytest

from smartypants.protocols import VectorStore
from smartypants.testing._vectorstore_chunks import (
    ALL_EQUAL,
    ThreeChunks,
    upsert,
)
from smartypants.testing.hostile import HOSTILE_STRINGS
from smartypants.types import Chunk


class Completeness(ThreeChunks):
    """A document is complete if each of its chunks is there, whatever else is."""

    def test_incomplete(self, store: VectorStore, physical: str, three: list[Chunk]) -> None:
        first, second, third = three
        ids = [chunk.document_id for chunk in three]
        assert store.incomplete(physical, dict.fromkeys(ids, ("v1", 1))) == set()
        assert store.incomplete(physical, dict.fromkeys(ids, ("v2", 1))) == set(ids)
        assert store.incomplete(physical, {ids[0]: ("v1", 2), ids[1]: ("v1", 1)}) == {ids[0]}
        assert store.incomplete(physical, {ids[0]: ("v1", 0), "nobody": ("v1", 0)}) == set()
        assert store.incomplete(physical, {"nobody": ("v1", 1)}) == {"nobody"}
        assert store.incomplete(physical, {}) == set()
        # A hole is not filled by what lies beyond the count, nor by another version.
        more = [replace(first, index=2), replace(first, version="v2", index=1)]
        upsert(store, physical, more, np.eye(4, dtype=np.float32)[:2], acl_ids=[1, 1])
        asked = {first.document_id: ("v1", 2), second.document_id: ("v1", 1)}
        assert store.incomplete(physical, asked) == {first.document_id}
        assert store.incomplete(physical, {first.document_id: ("v1", 2)}) == {first.document_id}
        # And what lies beyond it does no harm.
        asked = {first.document_id: ("v1", 1), third.document_id: ("v1", 1)}
        assert store.incomplete(physical, asked) == set()
        assert store.incomplete(physical, {first.document_id: ("v1", 1)}) == set()

    def test_incomplete_sees_what_was_just_written(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        document_id = three[0].document_id
        for index in range(1, 6):
            chunk = replace(three[0], index=index)
            store.upsert(physical, [chunk], ALL_EQUAL[np.newaxis], acl_ids=[1], source_ids=["s1"])
            assert store.incomplete(physical, {document_id: ("v1", index + 1)}) == set()
        store.delete_chunks(physical, [three[0].chunk_id])
        assert store.incomplete(physical, {document_id: ("v1", 6)}) == {document_id}

    @pytest.mark.parametrize("value", HOSTILE_STRINGS)
    def test_hostile_names_are_incomplete(
        self, store: VectorStore, physical: str, three: list[Chunk], value: str
    ) -> None:
        known = three[0].document_id
        asked = {value: ("v1", 1), f"{value}x": (value, 1), known: ("v1", 1)}
        assert store.incomplete(physical, asked) == {value, f"{value}x"}
        assert store.incomplete(physical, {known: (value, 1)}) == {known}

    def test_incomplete_of_many_documents(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        run = uuid.uuid4().hex[:8]
        many = [Chunk(f"{run}-{n}", "v1", 0, "An otter.", 0, 9) for n in range(450)]
        vectors = np.tile(np.eye(4, dtype=np.float32)[3], (len(many), 1))
        upsert(store, physical, many, vectors, acl_ids=[1] * len(many))
        expected = {chunk.document_id: ("v1", 1) for chunk in many}
        assert store.incomplete(physical, expected) == set()
        lacking = {f"{run}-{n}" for n in (0, 250, 449)}
        assert store.incomplete(physical, expected | dict.fromkeys(lacking, ("v1", 2))) == lacking
        store.delete_versions(physical, dict.fromkeys(expected))
        assert store.count(physical) == len(three)
