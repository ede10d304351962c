"""Finds passages by meaning and by words at once, and shows only what the ledger says is true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from sqlalchemy import Engine

from smartypants.choices import Choice
from smartypants.collapsing import collapse
from smartypants.fusion import Fused, reciprocal_rank_fusion, weighted_sum
from smartypants.ledger import documents
from smartypants.ledger.documents import Document
from smartypants.phrases import has_all
from smartypants.protocols import Vectors, VectorStore
from smartypants.querying.recording import Recorder
from smartypants.recipes import Recipe
from smartypants.searching import Scope, search
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

ATTEMPTS = 2
CLOCKS_S = 1.0
"""How far the clocks of the machines that share a ledger may be apart."""

Ranked = dict[str, list[Candidate]]
"""The candidates of each leg, best first."""


@dataclass(frozen=True, slots=True)
class Legs:
    """How a plan's candidates are found: by a vector of shape (dimension,), and by words."""

    embed: Callable[[str], Awaitable[Vectors]]
    dense: Callable[[Scope, Vectors], Awaitable[list[Candidate]]]
    lexical: Callable[[Scope, str], Awaitable[list[Candidate]]]


def legs_of(store: VectorStore, embed: Callable[[str], Awaitable[Vectors]]) -> Legs:
    """Each search by itself; a server has those of several requests made in one call."""

    async def dense(scope: Scope, vector: Vectors) -> list[Candidate]:
        return (await asyncio.to_thread(search, store.dense, scope, vector[np.newaxis]))[0]

    async def lexical(scope: Scope, text: str) -> list[Candidate]:
        return (await asyncio.to_thread(search, store.lexical, scope, [text]))[0]

    return Legs(embed, dense, lexical)


async def retrieve(plan: SearchPlan, legs: Legs, *, engine: Engine, limit: int) -> SearchResult:
    """The `limit` best passages, fused from the dense and the BM25 legs, which run in parallel.

    A leg without weight is left out. The legs are asked once more where a document that they
    found changed meanwhile: its new passages were not there yet. Raises
    `VectorStoreUnavailable`, `FilterNotSupported`, and what `legs.embed` raises.
    """
    recorder = Recorder()
    for attempt in range(ATTEMPTS):
        began = time.time()
        found = await _found(plan, legs, recorder)
        shown = await asyncio.to_thread(_shown, plan, found, engine, recorder)
        if shown.changed_at < began - CLOCKS_S or attempt == ATTEMPTS - 1:
            break
    hits = await asyncio.to_thread(_chosen, plan, shown.legs, engine, limit, recorder)
    return SearchResult(
        tuple(hits),
        skipped=recorder.skipped,
        timings_ms={step.name: step.ms for step in recorder.steps},
        trace=tuple(recorder.steps),
        understood=Understanding.of(plan),
    )


async def _found(plan: SearchPlan, legs: Legs, recorder: Recorder) -> Ranked:
    scope = Scope.of(plan)

    async def dense() -> Ranked:
        texts = (plan.text, *plan.variants)
        with recorder.step("embed") as note:
            embedded = await asyncio.gather(*(legs.embed(text) for text in texts))
            note.detail = f"{len(texts)} texts" if plan.variants else ""
        with recorder.step("dense"):
            found = await asyncio.gather(*(legs.dense(scope, vector) for vector in embedded))
        return {_dense_leg(number): leg for number, leg in enumerate(found)}

    async def lexical() -> Ranked:
        with recorder.step("bm25"):
            found = await legs.lexical(scope, plan.text)
        return {"bm25": found}

    wanted: list[Awaitable[Ranked]] = []
    for name, leg, weight in (
        ("dense", dense, plan.recipe.dense_weight),
        ("bm25", lexical, 1.0 - plan.recipe.dense_weight),
    ):
        if weight > 0:
            wanted.append(leg())
        else:
            recorder.skip(name, Choice.NO_WEIGHT)
    return {name: leg for part in await asyncio.gather(*wanted) for name, leg in part.items()}


@dataclass(frozen=True, slots=True)
class Shown:
    """The candidates of each leg that may be shown; `changed_at` is when the last of the
    documents changed of which an older or a newer version was found, as Unix time."""

    legs: Ranked
    changed_at: float


def _shown(plan: SearchPlan, found: Ranked, engine: Engine, recorder: Recorder) -> Shown:
    with recorder.step("ledger") as note:
        shown = visible(found, engine=engine, acl_ids=plan.acl_ids, filters=plan.filters)
        note.detail = ", ".join(f"{name} {len(leg)}" for name, leg in shown.legs.items())
    return shown


def fuse(legs: Ranked, recipe: Recipe) -> list[Fused]:
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


def _chosen(
    plan: SearchPlan, legs: Ranked, engine: Engine, limit: int, recorder: Recorder
) -> list[SearchHit]:
    # Of what may be shown alone: ranks and numbers tell of what is left out, too.
    hits = _best(plan, map(_hit, fuse(legs, plan.recipe)), limit, recorder)
    with recorder.step("documents"):
        return described(hits, engine)


def _best(
    plan: SearchPlan, hits: Iterable[SearchHit], limit: int, recorder: Recorder
) -> list[SearchHit]:
    """Those with every phrase, one a document where asked, none that repeats a better one."""
    if plan.phrases:
        with recorder.step("phrases") as note:
            found = list(hits)
            hits = [hit for hit in found if has_all(hit.chunk.text, plan.phrases)]
            note.detail = f"{len(hits)} of {len(found)} have them"
    if plan.query.per_document:
        hits = best_per_document(hits)
    if not plan.recipe.collapse:
        recorder.skip("collapse", Choice.SWITCHED_OFF)
        return list(islice(hits, limit))
    with recorder.step("collapse") as note:
        kept = collapse(hits, limit)
        copies = sum(hit.copies for hit in kept)
        note.detail = f"{copies} repeat others" if copies else ""
    return kept


def visible(
    found: Ranked,
    *,
    engine: Engine,
    acl_ids: Sequence[int],
    filters: Filters | None = None,
) -> Shown:
    """Only passages of the version that the ledger shows, of documents that may be read and that
    the filters ask for; what the documents are called comes with `described`.

    The vector store may be ahead of the ledger (chunks of a document that is not whole yet) or
    behind it (of an older version, or of a deleted document). What it knows of a document's ACL
    and attributes may be too.
    """
    ids = {item.chunk.document_id for leg in found.values() for item in leg}
    allowed = set(acl_ids)
    rows = {
        document_id: row
        for document_id, row in documents.standing(engine, sorted(ids)).items()
        if row.acl_id in allowed
    }
    versions = {document_id: row.indexed_version for document_id, row in rows.items()}
    if filters is not None and filters != Filters():
        known = documents.by_id(engine, versions)
        versions = {
            document_id: version
            for document_id, version in versions.items()
            if document_id in known and _asked_for(known[document_id], filters)
        }
    changed = (
        rows[item.chunk.document_id].indexed_at
        for leg in found.values()
        for item in leg
        if versions.get(item.chunk.document_id, item.chunk.version) != item.chunk.version
    )
    legs = {
        name: [item for item in leg if versions.get(item.chunk.document_id) == item.chunk.version]
        for name, leg in found.items()
    }
    return Shown(legs, max(changed, default=0.0))


def _hit(item: Fused) -> SearchHit:
    return SearchHit(
        item.chunk, item.score, item.scores, "", "", "", explanation=_explanation(item)
    )


def described(hits: Sequence[SearchHit], engine: Engine) -> list[SearchHit]:
    """The hits with what the ledger knows of their documents."""
    rows = documents.descriptions(engine, [hit.chunk.document_id for hit in hits])
    return [
        replace(
            hit,
            title=row.title,
            uri=row.uri,
            source_id=row.source_id,
            metadata={**row.parsed, **row.metadata},
        )
        for hit in hits
        if (row := rows.get(hit.chunk.document_id)) is not None
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
