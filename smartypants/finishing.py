"""The last steps of a search, after ranking: diversity, the hits asked for, what is around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from smartypants.diversifying import diversify
from smartypants.protocols import VectorStore
from smartypants.querying.recording import Recorder
from smartypants.surrounding import surround
from smartypants.types import SearchHit, SearchPlan


def finish(
    plan: SearchPlan, ranked: Sequence[SearchHit], *, vectors: VectorStore, recorder: Recorder
) -> list[SearchHit]:
    """The hits of the answer. Raises `VectorStoreUnavailable` where it has to be asked."""
    query, recipe = plan.query, plan.recipe
    hits = list(ranked[: query.top_k])
    if recipe.diversity and ranked:
        with recorder.step("diversity") as note:
            # Scores of a reranker and fused ones are not compared with each other.
            pool = ranked[: max(recipe.rerank_depth, query.top_k)] if plan.rerank else ranked
            hits = diversify(pool, diversity=recipe.diversity, limit=query.top_k)
            note.detail = f"{len(hits)} of {len(pool)} hits"
    options = query.options
    if hits and (options.neighbours or options.parents):
        with recorder.step("surroundings") as note:
            hits = surround(
                hits,
                vectors=vectors,
                physical=plan.physical_collection,
                acl_ids=plan.acl_ids,
                neighbours=options.neighbours,
                parents=options.parents,
            )
            note.detail = f"{sum(len({*h.neighbours, *h.parent}) for h in hits)} chunks"
    return [replace(hit, explanation=_explained(hit) if options.explain else {}) for hit in hits]


def is_instant(plan: SearchPlan) -> bool:
    """Whether `finish` neither asks the store nor computes for long."""
    options = plan.query.options
    return not (plan.recipe.diversity or options.neighbours or options.parents)


def _explained(hit: SearchHit) -> dict[str, float]:
    return {**hit.explanation, **hit.scores, "score": hit.score}
