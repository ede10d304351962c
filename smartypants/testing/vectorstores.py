"""What any `VectorStore` does."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from smartypants.attributes import Attributes, folded_author
from smartypants.errors import SmartyPantsError
from smartypants.protocols import Vectors, VectorStore
from smartypants.testing.hostile import HOSTILE_STRINGS
from smartypants.types import Candidate, Chunk, Filters, Span


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

    @pytest.fixture
    def described(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> dict[str, Attributes]:
        """The three again, of three types, authors and dates; the last has no date."""
        known = [
            Attributes("application/pdf", folded_author("Jane Doe <jane@x.org>"), 1_000),
            Attributes("text/html", folded_author("José Ruiz; J. Doe"), 2_000),
            Attributes("text/html", "", None),
        ]
        store.upsert(
            physical,
            three,
            np.eye(4, dtype=np.float32)[:3],
            acl_ids=[1, 2, 3],
            source_ids=["s1", "s2", "s3"],
            attributes=known,
        )
        store.flush(physical)
        return {chunk.chunk_id: one for chunk, one in zip(three, known, strict=True)}

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            (Filters(media_types=("application/pdf",)), "1"),
            (Filters(media_types=("text/html", "application/pdf")), "123"),
            (Filters(authors=("jane doe",)), "1"),
            (Filters(authors=("DOE",)), "12"),
            (Filters(authors=("jose ruiz", "JANE")), "12"),
            (Filters(authors=("oe",)), ""),
            (Filters(authors=("%",)), ""),
            (Filters(authors=("_",)), ""),
            (Filters(authors=("jane%doe",)), "1"),  # anything but letters and digits parts words
            (Filters(after=1_000), "12"),
            (Filters(after=1_000.5), "2"),
            (Filters(before=2_000), "1"),
            (Filters(before=2_000.5), "12"),
            (Filters(after=1_000, before=2_000), "1"),
            (Filters(after=-1e300), "12"),
            (Filters(before=1e300), "12"),
            (Filters(media_types=("text/html",), authors=("doe",), after=5), "2"),
            (Filters(source_ids=("s3",), media_types=("text/html",)), "3"),
        ],
    )
    def test_attributes_narrow_both_legs(
        self,
        store: VectorStore,
        physical: str,
        described: dict[str, Attributes],
        filters: Filters,
        found: str,
    ) -> None:
        expected = {key for key, n in zip(described, "123", strict=True) if n in found}
        assert _ids(_dense(store, physical, filters=filters)) == expected
        assert _ids(_lexical(store, physical, "fox", filters=filters)) == expected
        if not filters.source_ids:  # what the ledger knows, says the same
            assert {key for key, one in described.items() if one.match(filters)} == expected

    @pytest.mark.parametrize("value", HOSTILE_STRINGS)
    @pytest.mark.usefixtures("described")
    def test_hostile_attributes_find_nothing(
        self, store: VectorStore, physical: str, value: str
    ) -> None:
        for filters in (Filters(media_types=(value,)), Filters(authors=(f"q7{value}",))):
            assert not _dense(store, physical, acl_ids=(1, 2, 3), filters=filters)
            assert not _lexical(store, physical, "fox", acl_ids=(1, 2, 3), filters=filters)

    def test_hostile_attributes_are_kept(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        for value in HOSTILE_STRINGS:
            known = Attributes(value, folded_author(value), -5)
            store.upsert(
                physical,
                three[:1],
                ALL_EQUAL[np.newaxis],
                acl_ids=[1],
                source_ids=["s1"],
                attributes=[known],
            )
            store.flush(physical)
            dated = Filters((three[0].document_id,), after=-5, before=-4)
            assert len(_dense(store, physical, filters=dated)) == 1

    def test_scan_gives_the_attributes(
        self, store: VectorStore, physical: str, described: dict[str, Attributes]
    ) -> None:
        found = [stored for batch in store.scan(physical) for stored in batch]
        assert {item.chunk_id: item.attributes for item in found} == described

    def test_passages(self, store: VectorStore, physical: str, three: list[Chunk]) -> None:
        first, second, third = three
        more = [replace(first, index=index) for index in range(1, 6)]
        more.append(replace(first, version="v2", index=2))
        _upsert(store, physical, more, np.tile(ALL_EQUAL, (6, 1)), acl_ids=[1] * 5 + [2])

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
            store.delete_versions(physical, {document_id: ("v2", 2)})
            left = _dense(store, physical, filters=Filters((document_id,)))
            assert _ids(left) == {chunk.chunk_id for chunk in new}
        assert store.count(physical) == 4
        store.delete_versions(physical, {document_id: None})
        assert _ids(_dense(store, physical)) == {chunk.chunk_id for chunk in three[1:]}

    def test_delete_removes_what_is_beyond_the_count(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        document_id = three[0].document_id
        more = [replace(three[0], index=index) for index in range(1, 4)]
        _upsert(store, physical, more, np.eye(4, dtype=np.float32)[:3], acl_ids=[1] * 3)
        for count in (4, 2, 2, 1, 0):
            store.delete_versions(physical, {document_id: ("v1", count)})
            left = _dense(store, physical, filters=Filters((document_id,)))
            assert {item.chunk.index for item in left} == set(range(count))
        assert store.count(physical) == 2

    def test_delete_of_chunks(self, store: VectorStore, physical: str, three: list[Chunk]) -> None:
        gone = [three[0].chunk_id, three[2].chunk_id, "nobody"]
        for _ in range(2):
            store.delete_chunks(physical, gone)
            assert [item.chunk for item in _dense(store, physical)] == [three[1]]
        store.delete_chunks(physical, [])
        assert store.count(physical) == 1

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
        _upsert(store, physical, more, np.eye(4, dtype=np.float32)[:2], acl_ids=[1, 1])
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
        _upsert(store, physical, many, vectors, acl_ids=[1] * len(many))
        expected = {chunk.document_id: ("v1", 1) for chunk in many}
        assert store.incomplete(physical, expected) == set()
        lacking = {f"{run}-{n}" for n in (0, 250, 449)}
        assert store.incomplete(physical, expected | dict.fromkeys(lacking, ("v1", 2))) == lacking
        store.delete_versions(physical, dict.fromkeys(expected))
        assert store.count(physical) == len(three)

    def test_scan_gives_everything_as_it_was(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        found = [stored for batch in store.scan(physical) for stored in batch]
        assert len(found) == len(three)
        for n, chunk in enumerate(three, start=1):
            [stored] = [item for item in found if item.chunk == chunk]
            assert (stored.chunk_id, stored.acl_id, stored.source_id) == (
                chunk.chunk_id,
                n,
                f"s{n}",
            )
            assert stored.vector is None

    def test_scan_with_vectors(self, store: VectorStore, physical: str, three: list[Chunk]) -> None:
        found = {
            stored.chunk_id: stored
            for batch in store.scan(physical, vectors=True)
            for stored in batch
        }
        for chunk, vector in zip(three, np.eye(4, dtype=np.float32), strict=False):
            stored = found.pop(chunk.chunk_id)
            assert stored.chunk == chunk
            assert stored.vector is not None
            assert stored.vector.dtype == np.float32
            assert np.array_equal(stored.vector, vector)
        assert not found

    def test_scan_of_nothing(self, store: VectorStore, physical: str) -> None:
        assert [stored for batch in store.scan(physical) for stored in batch] == []

    def test_scan_of_a_missing_collection(self, store: VectorStore) -> None:
        with pytest.raises(SmartyPantsError):
            list(store.scan("missing__model__v1"))

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

    @pytest.mark.usefixtures("three")
    def test_scan_of_documents(self, store: VectorStore, physical: str, three: list[Chunk]) -> None:
        for wanted in ([], [three[1].document_id], [three[0].document_id, 'x"] or acl_id in [3']):
            batches = store.scan(physical, vectors=True, document_ids=wanted)
            found = {item.chunk.document_id for batch in batches for item in batch}
            known = {chunk.document_id for chunk in three}
            assert found == (known & set(wanted) if wanted else known)

    def test_a_rewritten_chunk_has_its_new_acl(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        vectors = np.eye(4, dtype=np.float32)[:3]
        _upsert(store, physical, three, vectors, acl_ids=[7, 2, 3])
        assert three[0].chunk_id not in _ids(_dense(store, physical, acl_ids=(1, 2, 3)))
        assert _ids(_dense(store, physical, acl_ids=(7,))) == {three[0].chunk_id}
        assert _ids(_lexical(store, physical, "fox", acl_ids=(7,))) == {three[0].chunk_id}

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
    return store.dense(physical, vector[np.newaxis], limit=limit, acl_ids=acl_ids, filters=filters)[
        0
    ]


def _lexical(
    store: VectorStore,
    physical: str,
    text: str,
    *,
    limit: int = 10,
    acl_ids: Sequence[int] = (1, 2, 3),
    filters: Filters = Filters(),  # noqa: B008 - frozen
) -> list[Candidate]:
    return store.lexical(physical, [text], limit=limit, acl_ids=acl_ids, filters=filters)[0]


def _ids(found: Sequence[Candidate]) -> set[str]:
    ids = {item.chunk.chunk_id for item in found}
    assert len(ids) == len(found)
    return ids
