"""What any vector store finds, and in which order."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from smartypants.errors import SmartyPantsError
from smartypants.protocols import VectorStore
from smartypants.testing._vectorstore_chunks import (
    ALL_EQUAL,
    ThreeChunks,
    dense,
    lexical,
    upsert,
)
from smartypants.testing.hostile import HOSTILE_STRINGS
from smartypants.types import Chunk, Filters, Span


class Searching(ThreeChunks):
    """Both legs of a search, and passages by their place."""

    def test_answers_when_it_runs(self, store: VectorStore) -> None:
        store.ping()

    def test_chunks_come_back_as_they_were(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        for chunk, vector in zip(three, np.eye(4, dtype=np.float32), strict=False):
            best = dense(store, physical, vector, limit=1)[0]
            assert best.chunk == chunk
            assert best.score == pytest.approx(1.0, abs=1e-3)
        found = lexical(store, physical, "badger")
        assert [item.chunk for item in found] == [three[2]]

    def test_text_of_any_kind_comes_back(self, store: VectorStore, physical: str) -> None:
        texts = [*HOSTILE_STRINGS[:-4], "line\nline\r\n\ttab", "日本語 ünï 👩‍👩‍👧‍👦"]
        run = uuid.uuid4().hex[:8]
        chunks = [Chunk(run, "v1", n, f"{text}!", 0, 1) for n, text in enumerate(texts)]
        vectors = np.tile(np.eye(4, dtype=np.float32)[3], (len(texts), 1))
        upsert(store, physical, chunks, vectors, acl_ids=[1] * len(texts))
        found = dense(store, physical, vectors[0], limit=50, filters=Filters((run,)))
        assert {item.chunk.text for item in found} == {chunk.text for chunk in chunks}
        store.delete_versions(physical, {run: None})

    def test_dense_is_best_first_by_cosine(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        found = dense(store, physical, np.array([0.48, 0.6, 0.64, 0.0], dtype=np.float32))
        assert [item.chunk for item in found] == [three[2], three[1], three[0]]
        assert [item.score for item in found] == pytest.approx([0.64, 0.6, 0.48], abs=1e-3)

    def test_lexical_is_best_first_by_stem(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        found = lexical(store, physical, "FOX hiding")
        assert found[0].chunk == three[1]
        assert len(found) == 3
        scores = [item.score for item in found]
        assert scores == sorted(scores, reverse=True)
        assert all(score > 0 for score in scores)

    def test_lexical_searches_the_context(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        assert len(lexical(store, physical, "title")) == len(three)

    @pytest.mark.parametrize("text", [*HOSTILE_STRINGS, "the and of", "?!", "fox " * 3_000])
    def test_lexical_takes_any_text(
        self, store: VectorStore, physical: str, three: list[Chunk], text: str
    ) -> None:
        found = lexical(store, physical, text)
        assert len(found) == (len(three) if "fox" in text else 0)

    @pytest.mark.usefixtures("three")
    def test_limit(self, store: VectorStore, physical: str) -> None:
        for limit in (1, 2):
            assert len(dense(store, physical, limit=limit)) == limit
            assert len(lexical(store, physical, "fox", limit=limit)) == limit

    def test_passages(self, store: VectorStore, physical: str, three: list[Chunk]) -> None:
        first, second, third = three
        more = [replace(first, index=index) for index in range(1, 6)]
        more.append(replace(first, version="v2", index=2))
        upsert(store, physical, more, np.tile(ALL_EQUAL, (6, 1)), acl_ids=[1] * 5 + [2])

        def found(*spans: Span, acl_ids: Sequence[int] = (1, 2)) -> set[tuple[str, str, int]]:
            chunks = store.passages(physical, spans, acl_ids=acl_ids)
            assert len({chunk.chunk_id for chunk in chunks}) == len(chunks)
            return {(chunk.document_id, chunk.version, chunk.index) for chunk in chunks}

        document = first.document_id
        assert found(Span(document, "v1", 1, 3)) == {(document, "v1", n) for n in (1, 2, 3)}
        assert found(Span(document, "v1", -5, 0), Span(second.document_id, "v1", 0, 9)) == {
            (document, "v1", 0),
            (second.document_id, "v1", 0),
        }
        assert found(Span(document, "v1", 4, 99), Span(document, "v1", 5, 6)) == {
            (document, "v1", 4),
            (document, "v1", 5),
        }
        assert found(Span(document, "v1", 0, 99), acl_ids=(2,)) == set()
        assert found(Span(third.document_id, "v1", 0, 9)) == set()
        assert found(Span(document, "v3", 0, 9), Span("nobody", "v1", 0, 9)) == set()
        assert found() == set()
        [chunk] = store.passages(physical, [Span(second.document_id, "v1", 0, 0)], acl_ids=[2])
        assert chunk == second

    @pytest.mark.parametrize("value", HOSTILE_STRINGS)
    @pytest.mark.usefixtures("three")
    def test_hostile_spans_find_nothing(
        self, store: VectorStore, physical: str, value: str
    ) -> None:
        spans = [Span(value, "v1", 0, 9), Span("x", value, 0, 9)]
        assert store.passages(physical, spans, acl_ids=[1, 2, 3]) == []

    def test_missing_collection_is_an_error_of_ours(self, store: VectorStore) -> None:
        with pytest.raises(SmartyPantsError) as caught:
            dense(store, "missing__model__v1")
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
