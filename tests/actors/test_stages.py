"""Stages as plain callables, without Ray."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from actors.stages import Part, SourceSpec, Work, WriteChunks, row
from smartypants.attributes import Attributes
from smartypants.settings import Settings
from smartypants.types import Chunk, DocumentRef, Filters
from smartypants.vectorstores.milvus import MilvusVectorStore

pytestmark = pytest.mark.integration


def test_chunks_are_written_with_what_filters_ask_for(milvus: MilvusVectorStore) -> None:
    physical = f"stages{uuid.uuid4().hex[:8]}__m__v1"
    milvus.create(physical, dimension=4)
    parts = []
    for name, author in (("a.pdf", "Jane Doe"), ("b.eml", "")):
        ref = DocumentRef("s", f"file:///{name}", name, "1", 1, metadata={"author": author})
        chunk = Chunk(ref.document_id, "v1", 0, f"Words of {name}", 0, 5)
        work = Work("j", SourceSpec("filesystem", "c", "/"), physical, ref, 1, None)
        parsed = {"from": "Bob <bob@x.org>", "date": "Tue, 3 Mar 2026 09:12:00 +0100"}
        vectors = np.full((1, 4), 0.5, dtype=np.float32)
        parts.append(Part(work, "v1", parsed=parsed, chunks=(chunk,), vectors=vectors))
    receipts = WriteChunks(Settings(vectors={"uri": milvus.uri}))(row(parts))["batch"][0]
    assert [part.chunks for part in receipts] == [(), ()]
    milvus.flush(physical)
    stored = {s.chunk.document_id: s.attributes for batch in milvus.scan(physical) for s in batch}
    day = 1_772_525_520
    assert stored == {
        parts[0].work.ref.document_id: Attributes("application/pdf", " jane doe ", day),
        parts[1].work.ref.document_id: Attributes("message/rfc822", " bob bob x org ", day),
    }
    filters = Filters(authors=("bob",), after=day, before=day + 1)
    [found] = milvus.lexical(physical, ["words"], limit=5, acl_ids=[1], filters=filters)
    assert [item.chunk.text for item in found] == ["Words of b.eml"]
    milvus.drop(physical)
