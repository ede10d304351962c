"""What any `VectorStore` does."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from smartypants.errors import SmartyPantsError
from smartypants.protocols import Vectors, VectorStore
from smartypants.testing.hostile import HOSTILE_STRINGS
from smartypants.types import Candidate, Chunk, Filters


class VectorStoreContract:
    """What any `VectorStore` does. Give the class-scoped fixture `store`, which is running."""

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
        _upsert(store, physical, chunks, np.eye(4, dtype=np.float32)[:3], acl_ids=[1, 2, 3])
        yield chunks
        store.delete_versions(physical, {chunk.document_id: None for chunk in chunks})

    def test_answers_when_it_runs(self, store: VectorStore) -> None:
        store.ping()

    def test_create_again_keeps_what_is_there(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        store.create(physical, dimension=self.DIMENSION)
        assert store.count(physical) == len(three)

    def test_chunks_come_back_as_they_were(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        for chunk, vector in zip(three, np.eye(4, dtype=np.float32), strict=False):
            best = _dense(store, physical, vector, limit=1)[0]
            assert best.chunk == chunk
            assert best.score == pytest.approx(1.0, abs=1e-3)
        found = _lexical(store, physical, "badger")
        assert [item.chunk for item in found] == [three[2]]

    def test_text_of_any_kind_comes_back(self, store: VectorStore, physical: str) -> None:
        texts = [*HOSTILE_STRINGS[:-4], "line\nline\r\n\ttab", "日本語 ünï 👩‍👩‍👧‍👦"]
        run = uuid.uuid4().hex[:8]
        chunks = [Chunk(run, "v1", n, f"{text}!", 0, 1) for n, text in enumerate(texts)]
        vectors = np.tile(np.eye(4, dtype=np.float32)[3], (len(texts), 1))
        _upsert(store, physical, chunks, vectors, acl_ids=[1] * len(texts))
        found = _dense(store, physical, vectors[0], limit=50, filters=Filters((run,)))
        assert {item.chunk.text for item in found} == {chunk.text for chunk in chunks}
        store.delete_versions(physical, {run: None})

    def test_dense_is_best_first_by_cosine(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        found = _dense(store, physical, np.array([0.48, 0.6, 0.64, 0.0], dtype=np.float32))
        assert [item.chunk for item in found] == [three[2], three[1], three[0]]
        assert [item.score for item in found] == pytest.approx([0.64, 0.6, 0.48], abs=1e-3)

    def test_lexical_is_best_first_by_stem(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        found = _lexical(store, physical, "FOX hiding")
        assert found[0].chunk == three[1]
        assert len(found) == 3
        scores = [item.score for item in found]
        assert scores == sorted(scores, reverse=True)
        assert all(score > 0 for score in scores)

    def test_lexical_searches_the_context(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        assert len(_lexical(store, physical, "title")) == len(three)

    @pytest.mark.parametrize("text", [*HOSTILE_STRINGS, "the and of", "?!", "fox " * 3_000])
    def test_lexical_takes_any_text(
        self, store: VectorStore, physical: str, three: list[Chunk], text: str
    ) -> None:
        found = _lexical(store, physical, text)
        assert len(found) == (len(three) if "fox" in text else 0)

    @pytest.mark.usefixtures("three")
    def test_limit(self, store: VectorStore, physical: str) -> None:
        for limit in (1, 2):
            assert len(_dense(store, physical, limit=limit)) == limit
            assert len(_lexical(store, physical, "fox", limit=limit)) == limit

    @pytest.mark.parametrize("allowed", [(), (1,), (2, 3), (1, 2, 3), (4,), tuple(range(2, 2_000))])
    def test_every_read_keeps_to_the_acl_ids(
        self, store: VectorStore, physical: str, three: list[Chunk], allowed: tuple[int, ...]
    ) -> None:
        readable = {chunk.chunk_id for n, chunk in enumerate(three, start=1) if n in allowed}
        for filters in (Filters(), Filters(source_ids=("s1", "s2", "s3"))):
            assert _ids(_dense(store, physical, acl_ids=allowed, filters=filters)) == readable
            found = _lexical(store, physical, "fox", acl_ids=allowed, filters=filters)
            assert _ids(found) == readable

    def test_filters_narrow_both_legs(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        first, second, third = three
        ids = (first.document_id, second.document_id)
        for filters, expected in (
            (Filters(document_ids=ids), {first.chunk_id, second.chunk_id}),
            (Filters(source_ids=("s2", "s3")), {second.chunk_id, third.chunk_id}),
            (Filters(ids, ("s2", "s3")), {second.chunk_id}),
            (Filters(("none",)), set()),
        ):
            assert _ids(_dense(store, physical, filters=filters)) == expected
            assert _ids(_lexical(store, physical, "fox", filters=filters)) == expected

    @pytest.mark.parametrize("value", HOSTILE_STRINGS)
    @pytest.mark.usefixtures("three")
    def test_hostile_filters_find_nothing(
        self, store: VectorStore, physical: str, value: str
    ) -> None:
        for filters in (Filters((value,)), Filters((), (value,)), Filters((value,), (value,))):
            assert not _dense(store, physical, acl_ids=(1,), filters=filters)
            assert not _lexical(store, physical, "fox", acl_ids=(1,), filters=filters)

    def test_upsert_replaces(self, store: VectorStore, physical: str, three: list[Chunk]) -> None:
        new = replace(three[0], text="Now about herons.", page=None)
        for _ in range(2):
            _upsert(store, physical, [new], np.eye(4, dtype=np.float32)[3:], acl_ids=[9])
        assert store.count(physical) == len(three)
        assert [item.chunk for item in _lexical(store, physical, "heron", acl_ids=(9,))] == [new]
        only = Filters((new.document_id,))
        assert not _dense(store, physical, acl_ids=(1,), filters=only)
        assert not _lexical(store, physical, "fox", acl_ids=(1, 9), filters=only)

    @pytest.mark.usefixtures("three")
    def test_upsert_of_nothing(self, store: VectorStore, physical: str) -> None:
        before = store.count(physical)
        _upsert(store, physical, [], np.empty((0, 4), dtype=np.float32), acl_ids=[])
        assert store.count(physical) == before

    def test_delete_keeps_the_version_given(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        new = [replace(three[0], version="v2", index=index) for index in range(2)]
        vectors = np.eye(4, dtype=np.float32)[:2]
        _upsert(store, physical, new, vectors, acl_ids=[1, 1])
        document_id = three[0].document_id
        for _ in range(2):
            store.delete_versions(physical, {document_id: "v2"})
            left = _dense(store, physical, filters=Filters((document_id,)))
            assert _ids(left) == {chunk.chunk_id for chunk in new}
        assert store.count(physical) == 4
        store.delete_versions(physical, {document_id: None})
        assert _ids(_dense(store, physical)) == {chunk.chunk_id for chunk in three[1:]}

    @pytest.mark.parametrize("value", HOSTILE_STRINGS)
    def test_hostile_deletes_remove_nothing_else(
        self, store: VectorStore, physical: str, three: list[Chunk], value: str
    ) -> None:
        store.delete_versions(physical, {value: None, f"{value}x": value})
        assert store.count(physical) == len(three)

    def test_delete_of_many_documents(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        run = uuid.uuid4().hex[:8]
        many = [Chunk(f"{run}-{n}", "v1", 0, "An otter.", 0, 9) for n in range(130)]
        vectors = np.tile(np.eye(4, dtype=np.float32)[3], (len(many), 1))
        _upsert(store, physical, many, vectors, acl_ids=[1] * len(many))
        assert store.count(physical) == len(many) + len(three)
        store.delete_versions(physical, {chunk.document_id: None for chunk in many})
        store.delete_versions(physical, {})
        assert store.count(physical) == len(three)

    def test_drop_is_idempotent(self, store: VectorStore) -> None:
        name = f"dropped{uuid.uuid4().hex[:8]}__model__v1"
        store.create(name, dimension=self.DIMENSION)
        store.drop(name)
        store.drop(name)

    def test_missing_collection_is_an_error_of_ours(self, store: VectorStore) -> None:
        with pytest.raises(SmartyPantsError) as caught:
            _dense(store, "missing__model__v1")
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def _upsert(
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


ALL_EQUAL = np.full(4, 0.5, dtype=np.float32)


def _dense(
    store: VectorStore,
    physical: str,
    vector: Vectors = ALL_EQUAL,
    *,
    limit: int = 10,
    acl_ids: Sequence[int] = (1, 2, 3),
    filters: Filters = Filters(),  # noqa: B008 - frozen
) -> list[Candidate]:
    return store.dense(physical, vector, limit=limit, acl_ids=acl_ids, filters=filters)


def _lexical(
    store: VectorStore,
    physical: str,
    text: str,
    *,
    limit: int = 10,
    acl_ids: Sequence[int] = (1, 2, 3),
    filters: Filters = Filters(),  # noqa: B008 - frozen
) -> list[Candidate]:
    return store.lexical(physical, text, limit=limit, acl_ids=acl_ids, filters=filters)


def _ids(found: Sequence[Candidate]) -> set[str]:
    ids = {item.chunk.chunk_id for item in found}
    assert len(ids) == len(found)
    return ids
