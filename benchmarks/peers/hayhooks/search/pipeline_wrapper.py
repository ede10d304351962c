"""Haystack: BM25 and embedding retrievers, joined by reciprocal rank fusion, served by Hayhooks.

Not asynchronous: store and embedder compute, so that waiting for them in an event loop cost more
CPU time and gained nothing.
"""

from __future__ import annotations

import os
from typing import Any

from hayhooks import BasePipelineWrapper
from haystack import Pipeline
from haystack.components.joiners import DocumentJoiner
from haystack.components.retrievers.in_memory import (
    InMemoryBM25Retriever,
    InMemoryEmbeddingRetriever,
)
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.utils import ComponentDevice
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersTextEmbedder,
)

DEPTH = 100


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        store = InMemoryDocumentStore.load_from_disk(os.environ["PEER_INDEX"])
        embedder = SentenceTransformersTextEmbedder(
            model=os.environ["PEER_MODEL"],
            device=ComponentDevice.from_str("cpu"),
            progress_bar=False,
        )
        embedder.warm_up()
        self.pipeline = Pipeline()
        self.pipeline.add_component("embed", embedder)
        self.pipeline.add_component("dense", InMemoryEmbeddingRetriever(store, top_k=DEPTH))
        self.pipeline.add_component("bm25", InMemoryBM25Retriever(store, top_k=DEPTH))
        self.pipeline.add_component("join", DocumentJoiner(join_mode="reciprocal_rank_fusion"))
        self.pipeline.connect("embed.embedding", "dense.query_embedding")
        self.pipeline.connect("dense", "join")
        self.pipeline.connect("bm25", "join")

    def run_api(self, query: str, top_k: int = 10) -> list[dict[str, Any]]:
        found = self.pipeline.run(
            {"embed": {"text": query}, "bm25": {"query": query}, "join": {"top_k": top_k}}
        )
        return [
            {"id": hit.id, "text": hit.content, "score": hit.score}
            for hit in found["join"]["documents"]
        ]
