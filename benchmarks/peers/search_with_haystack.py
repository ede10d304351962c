"""Haystack: BM25 and embedding retrievers, DocumentJoiner (RRF), a cross-encoder ranker.

Runs in its own environment. Reads passages, vectors and queries from a folder, and writes each
query's ranking of documents there, with and without the ranker.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from haystack import Document, Pipeline
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
from haystack_integrations.components.rankers.sentence_transformers import (
    SentenceTransformersSimilarityRanker,
)

TOP_K, DEPTH = 100, 32


def main() -> None:
    folder, model, reranker = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    limit = int(sys.argv[4])
    torch.set_num_threads(int(sys.argv[5]))
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    lines = (folder / "passages.jsonl").read_text().splitlines()
    passages = [json.loads(line) for line in lines]
    vectors = np.load(folder / "vectors.npy")
    store.write_documents(
        [
            Document(
                id=str(number),
                content=passage["text"],
                meta={"document": passage["id"]},
                embedding=vector.tolist(),
            )
            for number, (passage, vector) in enumerate(zip(passages, vectors, strict=True))
        ]
    )
    device = ComponentDevice.from_str("cpu")
    pipeline = Pipeline()
    pipeline.add_component(
        "embed", SentenceTransformersTextEmbedder(model=model, device=device, progress_bar=False)
    )
    pipeline.add_component("dense", InMemoryEmbeddingRetriever(store, top_k=TOP_K))
    pipeline.add_component("bm25", InMemoryBM25Retriever(store, top_k=TOP_K))
    pipeline.add_component("join", DocumentJoiner(join_mode="reciprocal_rank_fusion"))
    pipeline.connect("embed.embedding", "dense.query_embedding")
    pipeline.connect("dense", "join")
    pipeline.connect("bm25", "join")
    ranker = None
    if reranker:
        ranker = SentenceTransformersSimilarityRanker(
            model=reranker, device=device, top_k=DEPTH, batch_size=32
        )
        ranker.warm_up()
    ranked: dict[str, dict[str, list[str]]] = {"hybrid": {}, "hybrid+reranker": {}}
    for number, query in enumerate(json.loads((folder / "queries.json").read_text())):
        text = query["text"]
        found = pipeline.run({"embed": {"text": text}, "bm25": {"query": text}})
        hits = found["join"]["documents"]
        ranked["hybrid"][query["id"]] = documents(hits)
        if ranker is not None and number < limit:
            head = ranker.run(query=text, documents=hits[:DEPTH])["documents"]
            ranked["hybrid+reranker"][query["id"]] = documents([*head, *hits[DEPTH:]])
    if ranker is None:
        del ranked["hybrid+reranker"]
    (folder / "ranked.json").write_text(json.dumps(ranked))


def documents(hits: list[Document]) -> list[str]:
    """Each document once, at the place of its best passage."""
    return list(dict.fromkeys(hit.meta["document"] for hit in hits))


main()
