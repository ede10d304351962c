"""One `hybrid_search` of Milvus beside two searches in parallel, over the same legs.

Both ask for 100 candidates a leg with the same filter and the same output fields, and fuse with
reciprocal rank fusion (k = 60), in Milvus or here. Query vectors are there before. Times are of
the calls alone, at one client and at eight; the two ways take turns, query by query.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks import _beir, _common, _local
from benchmarks._common import Figures
from benchmarks._local import LocalIndex
from smartypants.fusion import reciprocal_rank_fusion
from smartypants.protocols import Vectors
from smartypants.terms import terms
from smartypants.types import Filters
from smartypants.vectorstores._milvus_rows import FIELDS, readable
from smartypants.vectorstores.milvus import MilvusVectorStore

LIMIT = 100
K = 60
CLIENTS = (1, 8)

Way = Callable[[str, Vectors], list[str]]


def main() -> None:
    parser = _common.arguments("hybrid", __doc__)
    options = parser.parse_args()
    data = _beir.load(_common.DATA / ("xquad" if options.quick else "scifact"))
    figures: Figures = {}
    table = Table("way", "clients", "p50 ms", "p95 ms", "nDCG@10", title="Hybrid search")
    with _common.data_dir(options.reuse) as folder:
        settings = _common.own_settings(folder, llm=_common.NO_LLM)
        with _local.stores(settings) as (engine, vectors, embedder):
            assert isinstance(vectors, MilvusVectorStore)
            found = _local.index(data, engine, vectors, embedder)
            queries = dict(list(data.queries.items())[: 100 if options.quick else 300])
            vectors_of = found.embed_all(list(queries.values()))
            with ThreadPoolExecutor(2 * max(CLIENTS)) as pool:
                ways: dict[str, Way] = {
                    "parallel": _parallel(found, vectors, pool),
                    "hybrid_search": _hybrid(found, vectors),
                }
                for clients in CLIENTS:
                    took, runs = measure(ways, queries, vectors_of, clients)
                    for name in ways:
                        p50, p95 = (1000 * _common.percentile(took[name], s) for s in (0.5, 0.95))
                        ndcg = found.ndcg(runs[name])
                        table.add_row(name, str(clients), f"{p50:.1f}", f"{p95:.1f}", f"{ndcg:.4f}")
                        figures[f"hybrid.{name}.p50_ms@{clients}"] = p50
                        figures[f"hybrid.{name}.p95_ms@{clients}"] = p95
                        figures[f"hybrid.{name}.ndcg@10"] = ndcg
    _common.show(table)
    _common.write_json(options.json, figures)


def measure(
    ways: dict[str, Way],
    queries: dict[str, str],
    vectors: Any,
    clients: int,
) -> tuple[dict[str, list[float]], dict[str, dict[str, list[str]]]]:
    """Seconds by way, and the passages by way and query."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    runs: dict[str, dict[str, list[str]]] = {name: {} for name in ways}

    def ask(query_id: str) -> None:
        text = queries[query_id]
        for name, way in ways.items():
            started = time.perf_counter()
            runs[name][query_id] = way(text, vectors[text])
            took[name].append(time.perf_counter() - started)

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(ask, list(queries)[:20]))  # warm
        for name in ways:
            took[name].clear()
        list(pool.map(ask, queries))
    return took, runs


def _parallel(found: LocalIndex, vectors: MilvusVectorStore, pool: ThreadPoolExecutor) -> Way:
    names = _names(found)

    def search(text: str, vector: Vectors) -> list[str]:
        wanted: dict[str, Any] = {"limit": LIMIT, "acl_ids": [1], "filters": Filters()}
        physical = found.collection.physical
        meaning = pool.submit(vectors.dense, physical, vector[np.newaxis], **wanted)
        [by_words] = vectors.lexical(physical, [text], **wanted)
        fused = reciprocal_rank_fusion({"dense": meaning.result()[0], "bm25": by_words}, k=K)
        return [names[item.chunk.document_id] for item in fused[:LIMIT]]

    return search


def _hybrid(found: LocalIndex, vectors: MilvusVectorStore) -> Way:
    from pymilvus import AnnSearchRequest, RRFRanker

    names = _names(found)
    expression = readable([1], Filters())

    def search(text: str, vector: Vectors) -> list[str]:
        legs: Sequence[Any] = [
            AnnSearchRequest(
                [vector], "vector", {"metric_type": "COSINE", "params": {"ef": 2 * LIMIT}},
                LIMIT, expr=expression,
            ),
            AnnSearchRequest(
                [terms(text)], "sparse", {"metric_type": "BM25"}, LIMIT, expr=expression
            ),
        ]  # fmt: skip
        hits = vectors.client.hybrid_search(
            found.collection.physical,
            list(legs),
            ranker=RRFRanker(K),
            limit=LIMIT,
            output_fields=FIELDS,
        )
        return [names[hit["entity"]["document_id"]] for hit in hits[0]]

    return search


def _names(found: LocalIndex) -> dict[str, str]:
    from smartypants.ledger import documents

    names: dict[str, str] = {}
    after = ""
    while page := documents.of_collection(found.engine, found.collection.name, after=after):
        names |= {row.id: row.uri.removeprefix("set:") for row in page}
        after = page[-1].id
    return names


if __name__ == "__main__":
    main()
