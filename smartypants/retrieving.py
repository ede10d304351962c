"""Finds passages by meaning and by words at once, and shows only what the ledger says is true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import Engine

from smartypants.fusion import Fused, reciprocal_rank_fusion, weighted_sum
from smartypants.ledger import documents
from smartypants.protocols import Vectors, VectorStore
from smartypants.recipes import Recipe
from smartypants.types import Candidate, SearchHit, SearchPlan, SearchResult, best_per_document


async def retrieve(
    plan: SearchPlan,
    *,
    embed: Callable[[str], Awaitable[Vectors]],
    vectors: VectorStore,
    engine: Engine,
    limit: int,
) -> SearchResult:
    """The `limit` best passages, fused from the dense and the BM25 leg, which run in parallel."""
    timings: dict[str, float] = {}

    async def dense() -> list[Candidate]:
        started = time.perf_counter()
        vector = await embed(plan.text)
        timings["embed"] = _since(started)
        started = time.perf_counter()
        found = await asyncio.to_thread(
            vectors.dense,
            plan.physical_collection,
            vector,
            limit=plan.candidates,
            acl_ids=plan.acl_ids,
            filters=plan.filters,
        )
        timings["dense"] = _since(started)
        return found

    async def lexical() -> list[Candidate]:
        started = time.perf_counter()
        found = await asyncio.to_thread(
            vectors.lexical,
            plan.physical_collection,
            plan.text,
            limit=plan.candidates,
            acl_ids=plan.acl_ids,
            filters=plan.filters,
        )
        timings["bm25"] = _since(started)
        return found

    by_meaning, by_words = await asyncio.gather(dense(), lexical())
    fused = fuse({"dense": by_meaning, "bm25": by_words}, plan.recipe)
    started = time.perf_counter()
    hits = await asyncio.to_thread(visible, fused, engine=engine, acl_ids=plan.acl_ids)
    timings["ledger"] = _since(started)
    if plan.query.per_document:
        hits = best_per_document(hits)
    return SearchResult(tuple(hits[:limit]), timings_ms=timings)


def fuse(legs: dict[str, list[Candidate]], recipe: Recipe) -> list[Fused]:
    """One ranking of both legs, as the recipe says."""
    if recipe.fusion == "rrf":
        return reciprocal_rank_fusion(legs, k=recipe.rrf_k)
    weights = {"dense": recipe.dense_weight, "bm25": 1.0 - recipe.dense_weight}
    return weighted_sum(legs, weights=weights)


def visible(fused: Sequence[Fused], *, engine: Engine, acl_ids: Sequence[int]) -> list[SearchHit]:
    """Only passages of the version that the ledger shows, of documents that may be read.

    The vector store may be ahead of the ledger (chunks of a document that is not whole yet) or
    behind it (of an older version, or of a deleted document). Its `acl_id`s may be too.
    """
    rows = documents.by_id(engine, [item.chunk.document_id for item in fused])
    hits = []
    for item in fused:
        row = rows.get(item.chunk.document_id)
        if row is None or not row.searchable or row.acl_id not in acl_ids:
            continue
        if row.indexed_version != item.chunk.version:
            continue
        hits.append(
            SearchHit(
                item.chunk,
                item.score,
                item.scores,
                title=row.title,
                uri=row.uri,
                source_id=row.source_id,
                metadata={**row.parsed, **row.metadata},
            )
        )
    return hits


def _since(started: float) -> float:
    return round(1000 * (time.perf_counter() - started), 2)
