"""Retrieval quality through the product, beside reference figures measured outside it.

Each set's corpus becomes a folder of Markdown files, which a running system ingests as a job;
each judged query is a `POST /v1/search` with `per_document` and `top_k` 100, eight at a time.
nDCG@10, Recall@100 and MRR@10 are ir-measures' over the ranks of the hits. The reference is the
best nDCG@10 of BM25, exact dense search and their fusion, with the same embedding model. No
language model takes part.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import ir_measures
from ir_measures import RR, R, nDCG
from rich.table import Table

from benchmarks import _beir, _common
from benchmarks._beir import RetrievalSet
from benchmarks._common import Figures
from smartypants.settings import Settings

REFERENCE = {"scifact": 0.714, "xquad": 0.970, "mtrag-un": 0.810}
SETS = ("scifact", "xquad", "mtrag-un")
CLIENTS = 8
TOP_K = 100


@dataclass(frozen=True, slots=True)
class Quality:
    """How well one set's queries were answered."""

    ndcg: float
    recall: float
    mrr: float
    cut: int
    """Queries that were longer than the API takes, and were cut."""
    seconds: float


def main() -> None:
    parser = _common.arguments("quality", __doc__)
    parser.add_argument(
        "--data", type=Path, nargs="+", metavar="DIR", help="folders in BEIR form; default: ours"
    )
    options = parser.parse_args()
    names = ("xquad",) if options.quick else SETS
    folders = options.data or [
        _common.DATA / name for name in names if (_common.DATA / name).exists()
    ]
    if not folders:
        parser.error(f"there is no set in {_common.DATA}; name one with --data")

    figures: Figures = {}
    table = Table("set", "documents", "queries", "nDCG@10", "reference", "no worse", "Recall@100",
                  "MRR@10", "search s", title="Retrieval quality")  # fmt: skip
    with _common.data_dir(options.reuse) as data_dir:
        settings = _common.own_settings(data_dir, llm=_common.NO_LLM)
        with _common.running(settings, parts=_common.SEARCH_PARTS) as url:
            for folder in folders:
                found = _beir.load(folder)
                quality = measure(found, settings, url, data_dir / "corpora" / found.name)
                table.add_row(*_row(found, quality))
                figures[f"quality.{found.name}.ndcg@10"] = quality.ndcg
                figures[f"quality.{found.name}.recall@100"] = quality.recall
                figures[f"quality.{found.name}.mrr"] = quality.mrr
    _common.show(table)
    _common.write_json(options.json, figures)


def measure(data: RetrievalSet, settings: Settings, url: str, corpus: Path) -> Quality:
    """Index the corpus, ask every query, score the ranks."""
    ids = _beir.write_corpus(data.corpus, corpus)
    _common.index(settings, corpus, data.collection)
    started = time.perf_counter()
    limit = settings.http.max_query_chars
    ranked = asyncio.run(search_all(url, data, limit))
    seconds = time.perf_counter() - started
    run = [
        ir_measures.ScoredDoc(query_id, ids[_beir.name_in(uri)], 1 / rank)
        for query_id, uris in ranked.items()
        for rank, uri in enumerate(uris, start=1)
    ]
    qrels = {query_id: dict(judged) for query_id, judged in data.qrels.items()}
    scores = ir_measures.calc_aggregate([nDCG @ 10, R @ 100, RR @ 10], qrels, run)
    cut = sum(len(text) > limit for text in data.queries.values())
    return Quality(scores[nDCG @ 10], scores[R @ 100], scores[RR @ 10], cut, seconds)


async def search_all(url: str, data: RetrievalSet, limit: int) -> dict[str, list[str]]:
    """The URIs of each query's hits, best first."""
    slots = asyncio.Semaphore(CLIENTS)
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:

        async def search(text: str) -> list[str]:
            body = {
                "query": text[:limit],
                "collection": data.collection,
                "top_k": TOP_K,
                "per_document": True,
            }
            async with slots:
                response = await client.post("/v1/search", json=body)
            if response.is_error:
                raise RuntimeError(f"{response.status_code} for {text!r}: {response.text}")
            return [hit["uri"] for hit in response.json()["hits"]]

        hits = await asyncio.gather(*(search(text) for text in data.queries.values()))
    return dict(zip(data.queries, hits, strict=True))


def _row(data: RetrievalSet, quality: Quality) -> list[str]:
    reference = REFERENCE.get(data.name)
    known = reference is not None
    return [
        data.name,
        str(len(data.corpus)),
        str(len(data.queries)) + (f" ({quality.cut} cut)" if quality.cut else ""),
        f"{quality.ndcg:.4f}",
        f"{reference:.3f}" if known else "-",
        ("yes" if round(quality.ndcg, 3) >= (reference or 0.0) else "NO") if known else "-",
        f"{quality.recall:.4f}",
        f"{quality.mrr:.4f}",
        f"{quality.seconds:.1f}",
    ]


if __name__ == "__main__":
    main()
