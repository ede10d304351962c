"""The query processor and the embedder: inside of who asks them, or with replicas of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray import serve

from deployments.app import build_app
from deployments.embedder import EmbedderServer
from deployments.local import stores
from deployments.query_processor import QueryProcessor
from deployments.retriever import Retriever
from smartypants import wiring
from smartypants.ledger import collections, commits, documents, listing
from smartypants.ledger.commits import Indexed
from smartypants.protocols import Vectors
from smartypants.settings import Settings
from smartypants.types import Chunk, DocumentRef, Query, SearchPlan, SearchResult
from tests.deployments.graphs import deployments_of
from tests.ports import free_port

BOTH = ["query_processor", "embedder"]
TEXTS = ["Mount Kenya is the second highest mountain in Africa.", "Herrings are small oily fish."]


def deployment(part: type) -> Any:
    return serve.deployment(part)


def parts(**sections: Any) -> set[str]:
    """Those of the two that a graph has as deployments."""
    found = deployments_of(build_app(Settings(**sections)))
    return found & {"QueryProcessor", "EmbedderServer"}


@pytest.mark.parametrize(
    ("sections", "found"),
    [
        ({"accelerator": "cpu"}, set()),
        ({"accelerator": "gpu"}, {"EmbedderServer"}),
        ({"accelerator": "gpu", "serve": {"apart": []}}, set()),
        ({"accelerator": "cpu", "serve": {"apart": BOTH}}, {"QueryProcessor", "EmbedderServer"}),
        ({"accelerator": "cpu", "serve": {"embedder": {"num_gpus": 1}}}, {"EmbedderServer"}),
    ],
)
def test_what_has_replicas_of_its_own(sections: dict[str, Any], found: set[str]) -> None:
    assert parts(**sections) == found


def test_a_provider_needs_no_gpu() -> None:
    provider = {"openai": {"api_base": "http://127.0.0.1:9/v1"}}
    remote = {"kind": "openai", "model": "m", "dimension": 4, "providers": provider}
    assert parts(accelerator="gpu", embedder=remote) == set()


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """An installation with two documents, without a graph."""
    settings = Settings(data_dir=tmp_path, vectors={"embedded_port": free_port()})
    with stores(settings, "test"):
        fill(settings)
        yield settings


def fill(settings: Settings) -> None:
    engine, store = wiring.open_ledger(settings), wiring.open_vectors(settings)
    embedder = wiring.make_embedder(settings)
    docs = collections.ensure(
        engine, "docs", embedding_model=embedder.model, dimension=embedder.dimension
    )
    store.create(docs.physical, dimension=embedder.dimension)
    listing.register_source(
        engine, source_id="s", collection="docs", kind="filesystem", uri="file:///s"
    )
    refs = [DocumentRef("s", f"file:///s/{n}", str(n), "v", 1) for n in range(len(TEXTS))]
    listing.list_documents(engine, refs, collection="docs", job_id="j", max_attempts=1)
    chunks = [
        Chunk(ref.document_id, "v", 0, text, 0, len(text))
        for ref, text in zip(refs, TEXTS, strict=True)
    ]
    rows = documents.by_id(engine, [ref.document_id for ref in refs])
    acl_ids = [rows[ref.document_id].acl_id for ref in refs]
    vectors = embedder.embed(TEXTS)
    store.upsert(docs.physical, chunks, vectors, acl_ids=acl_ids, source_ids=["s"] * len(refs))
    commits.commit(engine, "docs", [Indexed(ref.document_id, "v", "t", 1) for ref in refs], [])


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_a_search_by_replicas_of_their_own(settings: Settings) -> None:
    async def search() -> tuple[SearchResult, Vectors, str]:
        serve.start(proxy_location="Disabled")  # another test may have its ports
        embedder = deployment(EmbedderServer).bind(settings)
        finds = deployment(Retriever).bind(settings, embedder)
        retriever: Any = serve.run(finds, name="r", route_prefix=None)
        interprets = deployment(QueryProcessor).bind(settings, embedder)  # it asks no LLM here
        processor: Any = serve.run(interprets, name="q", route_prefix=None)
        plan: SearchPlan = await processor.process.remote(Query("high mountains", "docs"))
        found: SearchResult = await retriever.retrieve.remote(plan)
        vectors: Vectors = await retriever.embed_many.remote(TEXTS)
        model: str = await retriever.ready.remote()
        end: Any = serve.shutdown_async()
        await end
        return found, vectors, model

    found, vectors, model = asyncio.run(search())
    assert found.hits[0].chunk.text == TEXTS[0]
    assert {"embed", "dense", "bm25"} <= {step.name for step in found.trace}
    embedder = wiring.make_embedder(settings)
    assert model == embedder.model
    assert np.allclose(vectors, embedder.embed(TEXTS), atol=1e-5)
