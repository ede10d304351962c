"""What any vector store gives when it is read from end to end."""

from __future__ import annotations

import numpy as np
import pytest

from smartypants.errors import SmartyPantsError
from smartypants.protocols import VectorStore
from smartypants.testing._vectorstore_chunks import (
    ThreeChunks,
)
from smartypants.types import Chunk


class Scanning(ThreeChunks):
    """Everything comes, as it was written."""

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

    @pytest.mark.usefixtures("three")
    def test_scan_of_documents(self, store: VectorStore, physical: str, three: list[Chunk]) -> None:
        for wanted in ([], [three[1].document_id], [three[0].document_id, 'x"] or acl_id in [3']):
            batches = store.scan(physical, vectors=True, document_ids=wanted)
            found = {item.chunk.document_id for batch in batches for item in batch}
            known = {chunk.document_id for chunk in three}
            assert found == (known & set(wanted) if wanted else known)
