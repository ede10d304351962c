"""What any vector store leaves out: what a caller may not see or did not ask for."""

from __future__ import annotations

import numpy as np
import pytest

from smartypants.attributes import Attributes, folded_author
from smartypants.protocols import VectorStore
from smartypants.testing._vectorstore_chunks import (
    ALL_EQUAL,
    ThreeChunks,
    chunk_ids,
    dense,
    lexical,
    upsert,
)
from smartypants.testing.hostile import HOSTILE_STRINGS
from smartypants.types import Chunk, Filters


class Filtering(ThreeChunks):
    """Every read keeps to what may be read, and to its filters."""

    @pytest.mark.parametrize("allowed", [(), (1,), (2, 3), (1, 2, 3), (4,), tuple(range(2, 2_000))])
    def test_every_read_keeps_to_the_acl_ids(
        self, store: VectorStore, physical: str, three: list[Chunk], allowed: tuple[int, ...]
    ) -> None:
        readable = {chunk.chunk_id for n, chunk in enumerate(three, start=1) if n in allowed}
        for filters in (Filters(), Filters(source_ids=("s1", "s2", "s3"))):
            assert chunk_ids(dense(store, physical, acl_ids=allowed, filters=filters)) == readable
            found = lexical(store, physical, "fox", acl_ids=allowed, filters=filters)
            assert chunk_ids(found) == readable

    def test_a_rewritten_chunk_has_its_new_acl(
        self, store: VectorStore, physical: str, three: list[Chunk]
    ) -> None:
        vectors = np.eye(4, dtype=np.float32)[:3]
        upsert(store, physical, three, vectors, acl_ids=[7, 2, 3])
        assert three[0].chunk_id not in chunk_ids(dense(store, physical, acl_ids=(1, 2, 3)))
        assert chunk_ids(dense(store, physical, acl_ids=(7,))) == {three[0].chunk_id}
        assert chunk_ids(lexical(store, physical, "fox", acl_ids=(7,))) == {three[0].chunk_id}

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
            assert chunk_ids(dense(store, physical, filters=filters)) == expected
            assert chunk_ids(lexical(store, physical, "fox", filters=filters)) == expected

    @pytest.mark.parametrize("value", HOSTILE_STRINGS)
    @pytest.mark.usefixtures("three")
    def test_hostile_filters_find_nothing(
        self, store: VectorStore, physical: str, value: str
    ) -> None:
        for filters in (Filters((value,)), Filters((), (value,)), Filters((value,), (value,))):
            assert not dense(store, physical, acl_ids=(1,), filters=filters)
            assert not lexical(store, physical, "fox", acl_ids=(1,), filters=filters)

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
        assert chunk_ids(dense(store, physical, filters=filters)) == expected
        assert chunk_ids(lexical(store, physical, "fox", filters=filters)) == expected
        if not filters.source_ids:  # what the ledger knows, says the same
            assert {key for key, one in described.items() if one.match(filters)} == expected

    @pytest.mark.parametrize("value", HOSTILE_STRINGS)
    @pytest.mark.usefixtures("described")
    def test_hostile_attributes_find_nothing(
        self, store: VectorStore, physical: str, value: str
    ) -> None:
        for filters in (Filters(media_types=(value,)), Filters(authors=(f"q7{value}",))):
            assert not dense(store, physical, acl_ids=(1, 2, 3), filters=filters)
            assert not lexical(store, physical, "fox", acl_ids=(1, 2, 3), filters=filters)

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
            assert len(dense(store, physical, filters=dated)) == 1

    def test_scan_gives_the_attributes(
        self, store: VectorStore, physical: str, described: dict[str, Attributes]
    ) -> None:
        found = [stored for batch in store.scan(physical) for stored in batch]
        assert {item.chunk_id: item.attributes for item in found} == described
