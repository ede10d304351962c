"""Finds passages by meaning and by words at once, and shows only what the ledger says is true."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from sqlalchemy import Engine

from smartypants.collapsing import collapse
from smartypants.fusion import Fused, reciprocal_rank_fusion, weighted_sum
from smartypants.ledger import documents
from smartypants.ledger.documents import Document
from smartypants.phrases import has_all
from smartypants.protocols import Vectors, VectorStore
from smartypants.querying.recording import Recorder
from smartypants.recipes import Recipe
from smartypants.types import (
    Candidate,
    Filters,
    SearchHit,
    SearchPlan,
    SearchResult,
    Understanding,
    best_per_document,
)

VARIANTS_SHARE = 0.5
"""Of the dense leg's weight, where the question is not all that is searched for."""

Legs = dict[str, list[Candidate]]


async def retrieve(
    plan: SearchPlan,
    *,
    embed: Callable[[str], Awaitable[Vectors]],
    vectors: VectorStore,
    engine: Engine,
    limit: int,
) -> SearchResult:
    """The `limit` best passages, fused from the dense and the BM25 legs, which run in parallel.

    A leg without weight is left out. Raises `VectorStoreUnavailable`, `FilterNotSupported`, and
    what `embed` raises.
    """
    recorder = Recorder()
    find = partial(_found, plan)

    async def dense() -> Legs:
        texts = (plan.text, *plan.variants)
        with recorder.step("embed") as note:
            embedded = await asyncio.gather(*(embed(text) for text in texts))
            note.detail = f"{len(texts)} texts" if plan.variants else ""
        with recorder.step("dense") as note:
            found = await asyncio.gather(
                *(asyncio.to_thread(find, vectors.dense, vector) for vector in embedded)
            )
            note.detail = f"{sum(map(len, found))} candidates"
        return {_dense_leg(number): leg for number, leg in enumerate(found)}

    async def lexical() -> Legs:
        with recorder.step("bm25") as note:
            found = await asyncio.to_thread(find, vectors.lexical, plan.text)
            note.detail = f"{len(found)} candidates"
        return {"bm25": found}

    legs: list[Awaitable[Legs]] = []
    for name, leg, weight in (
        ("dense", dense, plan.recipe.dense_weight),
        ("bm25", lexical, 1.0 - plan.recipe.dense_weight),
    ):
        if weight > 0:
            legs.append(leg())
        else:
            recorder.skip(name, "its weight is 0")
    found = {name: leg for part in await asyncio.gather(*legs) for name, leg in part.items()}
    fused = fuse(found, plan.recipe)
    with recorder.step("ledger") as note:
        hits = await asyncio.to_thread(
            visible,
            fused,
            engine=engine,
            acl_ids=plan.acl_ids,
            filters=plan.filters,
        )
        note.detail = f"{len(hits)} hits"
    hits = await asyncio.to_thread(_chosen, plan, hits, recorder)
    return SearchResult(
        tuple(hits[:limit]),
        skipped=recorder.skipped,
        timings_ms={step.name: step.ms for step in recorder.steps},
        trace=tuple(recorder.steps),
        understood=Understanding.of(plan),
    )


def _found(
    plan: SearchPlan, search: Callable[..., list[Candidate]], what: object
) -> list[Candidate]:
    return search(
        plan.physical_collection,
        what,
        limit=plan.candidates,
        acl_ids=plan.acl_ids,
        filters=plan.filters,
    )


def fuse(legs: Legs, recipe: Recipe) -> list[Fused]:
    """One ranking of all legs, as the recipe says; a question's variants share half the weight
    of its dense leg."""
    rrf = recipe.fusion == "rrf"
    dense, bm25 = (1.0, 1.0) if rrf else (recipe.dense_weight, 1.0 - recipe.dense_weight)
    variants = sum(name not in ("dense", "bm25") for name in legs)
    weights = {name: dense * VARIANTS_SHARE / max(variants, 1) for name in legs}
    weights["dense"] = dense * (1.0 - VARIANTS_SHARE) if variants else dense
    weights["bm25"] = bm25
    if rrf:
        return reciprocal_rank_fusion(legs, k=recipe.rrf_k, weights=weights)
    return weighted_sum(legs, weights=weights)


def _dense_leg(number: int) -> str:
    """The leg of the question itself comes first."""
    return f"dense.variant{number}" if number else "dense"


def _chosen(plan: SearchPlan, hits: list[SearchHit], recorder: Recorder) -> list[SearchHit]:
    """Those with every phrase, none that repeats a better one, one a document where asked."""
    if plan.phrases:
        with recorder.step("phrases") as note:
            whole = [hit for hit in hits if has_all(hit.chunk.text, plan.phrases)]
            note.detail = f"{len(whole)} of {len(hits)} have them"
            hits = whole
    if plan.recipe.collapse:
        with recorder.step("collapse") as note:
            before = len(hits)
            hits = collapse(hits)
            note.detail = f"{before - len(hits)} repeat others" if before > len(hits) else ""
    else:
        recorder.skip("collapse", "switched off")
    return best_per_document(hits) if plan.query.per_document else hits


def visible(
    fused: Sequence[Fused],
    *,
    engine: Engine,
    acl_ids: Sequence[int],
    filters: Filters | None = None,
) -> list[SearchHit]:
    """Only passages of the version that the ledger shows, of documents that may be read and that
    the filters ask for.

    The vector store may be ahead of the ledger (chunks of a document that is not whole yet) or
    behind it (of an older version, or of a deleted document). What it knows of a document's ACL
    and attributes may be too.
    """
    rows = documents.by_id(engine, [item.chunk.document_id for item in fused])
    wanted = filters or Filters()
    shown = {
        key: row
        for key, row in rows.items()
        if row.searchable and row.acl_id in acl_ids and _asked_for(row, wanted)
    }
    return [
        SearchHit(
            item.chunk,
            item.score,
            item.scores,
            title=row.title,
            uri=row.uri,
            source_id=row.source_id,
            metadata={**row.parsed, **row.metadata},
            explanation=_explanation(item),
        )
        for item in fused
        if (row := shown.get(item.chunk.document_id)) is not None
        and row.indexed_version == item.chunk.version
    ]


def _asked_for(row: Document, filters: Filters) -> bool:
    if filters.document_ids and row.id not in filters.document_ids:
        return False
    if filters.source_ids and row.source_id not in filters.source_ids:
        return False
    return not filters.describe or row.attributes.match(filters)


def _explanation(item: Fused) -> dict[str, float]:
    found: dict[str, float] = {"fused": item.score}
    for leg, rank in item.ranks.items():
        found |= {f"{leg}.rank": float(rank), f"{leg}.part": item.parts[leg]}
    return found
