"""Stages as plain callables, without Ray."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import numpy as np
import pytest

from actors.stages import EmbedChunks, WriteChunks
from actors.work import Part, SourceSpec, Work, row
from smartypants.attributes import Attributes
from smartypants.ledger import usage
from smartypants.ledger.database import connect
from smartypants.ledger.usage import Total, Wanted
from smartypants.metering.payer import Payer
from smartypants.settings import Settings
from smartypants.testing import ProviderServer
from smartypants.testing.providers import DIMENSION
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
        work = Work(SourceSpec("filesystem", "c", "/"), physical, ref, 1, None)
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


def test_vectors_are_on_the_account_of_whoever_submitted_the_job(
    tmp_path: Path, sqlite_ledger: str
) -> None:
    def part(owner: str, name: str) -> Part:
        ref = DocumentRef("s", f"file:///{name}", name, "1", 1)
        payer = Payer(owner, route="ingest", collection="c")
        work = Work(SourceSpec("filesystem", "c", "/"), "p", ref, 1, None, payer=payer)
        chunks = tuple(
            Chunk(ref.document_id, "v1", number, f"{name} {number}", 0, 5) for number in range(2)
        )
        return Part(work, "v1", chunks=chunks)

    engine = connect(sqlite_ledger)

    def totals() -> list[Total]:
        return usage.totals(engine, Wanted(), ("user", "route", "collection", "model"), limit=9)

    with ProviderServer() as server:
        embedder = {"kind": "openai", "model": "e", "dimension": DIMENSION,
                    "providers": {"p": {"api_base": server.url}}}  # fmt: skip
        settings = Settings(data_dir=tmp_path, ledger={"url": sqlite_ledger}, embedder=embedder)
        stage = EmbedChunks(settings, 1)
        rows = row([part("ann", "a.md"), part("bob", "b.md"), part("ann", "c.md")])
        for _ in range(2):  # the second time the cache has them all
            stage(rows)
    deadline = time.monotonic() + 60
    while len(totals()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    ann, bob = totals()
    assert (ann.group, ann.sums.embeddings) == (("ann", "ingest", "c", "e"), 4)
    assert (bob.group, bob.sums.embeddings) == (("bob", "ingest", "c", "e"), 2)
    assert (ann.sums.estimated, bob.sums.estimated) == (0, 0)
    assert ann.sums.prompt_tokens > bob.sums.prompt_tokens > 0
    engine.dispose()
