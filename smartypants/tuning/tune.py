"""Finds the recipe that suits a collection best, by judged queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from sqlalchemy import Engine

from smartypants.errors import ValidationFailed
from smartypants.ledger import documents
from smartypants.protocols import Embedder, Reranker, VectorStore
from smartypants.recipes import Recipe
from smartypants.reranking import mixed
from smartypants.tuning import grid
from smartypants.tuning.deciding import (
    MARGIN,
    MIN_QUERIES,
    Columns,
    Decision,
    Scores,
    choose,
    decide,
    split,
)
from smartypants.tuning.evidence import Evidence, Gate, Measured
from smartypants.tuning.judgments import Judgments
from smartypants.tuning.legs import Legs, Passage, ask
from smartypants.tuning.ndcg import ndcg

CANDIDATES = (50, 100, 200)

Report = Callable[[str, int, int], None]
"""What is done: a phase, and how many of how many."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """The recipe to use, and what speaks for it."""

    recipe: Recipe
    evidence: Evidence


def tune(
    judgments: Judgments,
    base: Recipe,
    *,
    collection: str,
    engine: Engine,
    vectors: VectorStore,
    embedder: Embedder,
    reranker: Reranker | None,
    report: Report = lambda phase, done, total: None,
) -> Tuned:
    """Measure recipes over the real stores, choose one, and let the gate check it.

    All but fusion, depths and reranking is as `base` has it: the recipe in use. Without a
    reranker, the recipe does without one later, too. Nothing is written.

    Raises `ValidationFailed` for too few judged queries, and what the stores raise.
    """
    check_enough(judgments)
    queries = judgments.queries
    asked = ask(
        queries,
        collection=collection,
        engine=engine,
        vectors=vectors,
        embedder=embedder,
        depth=max(CANDIDATES),
        progress=lambda done: report("searched", done, len(queries)),
    )
    found = best(asked, base, reranker, report=report)
    recipes, decision = found.recipes, found.decision
    counts = documents.counts(engine).get(collection, {})
    evidence = Evidence(
        at=datetime.now(UTC).replace(microsecond=0),
        judgments=judgments.source,
        train_queries=decision.train_queries,
        held_out_queries=decision.held_out_queries,
        cross_validated=decision.cross_validated,
        unknown_documents=judgments.unknown_documents,
        queries_without_relevant=judgments.without_relevant,
        embedding_model=embedder.model,
        reranker=reranker.model if reranker else None,
        documents=counts.get("indexed", 0),
        chunks=counts.get("chunks", 0),
        chosen=grid.name(recipes[decision.chosen]),
        before=grid.name(base.model_copy(update={"rerank": base.rerank and reranker is not None})),
        gate=_gate(decision, recipes),
        scores=_measured(found, *split([query.id for query in queries])),
    )
    return Tuned(found.recipe, evidence)


@dataclass(frozen=True, slots=True)
class Best:
    """Every recipe that was tried, with nDCG@10 by query, and which one to use."""

    recipes: Sequence[Recipe]
    scores: Scores
    decision: Decision

    @property
    def recipe(self) -> Recipe:
        return self.recipes[self.decision.chosen]


def best(
    asked: Sequence[Legs],
    base: Recipe,
    reranker: Reranker | None,
    *,
    report: Report = lambda phase, done, total: None,
) -> Best:
    """The recipe for what both legs found, chosen on some queries and checked on others."""
    names = [legs.query.id for legs in asked]
    train, _ = split(names)
    recipes, scores = measure(asked, base, reranker, train=train, report=report)
    decision = decide(
        scores,
        [grid.cost(recipe) for recipe in recipes],
        [row for row, recipe in enumerate(recipes) if grid.is_single_leg(recipe)],
        names,
        base=grid.row_of(base, recipes),
    )
    return Best(recipes, scores, decision)


def check_enough(judgments: Judgments) -> None:
    """Raises `ValidationFailed` where there are too few judged queries to tell recipes apart."""
    have = len(judgments.queries)
    if have < MIN_QUERIES:
        raise ValidationFailed(
            f"{have} judged queries have a relevant document here ({judgments.source}; "
            f"{judgments.without_relevant} have none, {judgments.unknown_documents} relevant "
            "documents are not in the collection).",
            f"At least {MIN_QUERIES} are needed; 100 tell more.",
        )


def measure(
    asked: Sequence[Legs],
    base: Recipe,
    reranker: Reranker | None,
    *,
    train: Columns,
    report: Report = lambda phase, done, total: None,
) -> tuple[list[Recipe], Scores]:
    """Every recipe, and nDCG@10 of each by query.

    Reranked are the recipe that would be chosen without a reranker, by the train queries, and
    the one with the highest mean on them.
    """
    recipes = grid.without_reranker(base, candidates=CANDIDATES)
    scores = np.empty((len(recipes), len(asked)))
    for column, legs in enumerate(asked):
        for row, recipe in enumerate(recipes):
            scores[row, column] = _ndcg(legs, legs.ranking(recipe))
        report("compared", column + 1, len(asked))
    if reranker is None:
        return recipes, scores
    costs = [grid.cost(recipe) for recipe in recipes]
    known = scores[:, train]
    both = [row for row, recipe in enumerate(recipes) if recipe.dense_weight not in (0.0, 1.0)]
    first = {choose(known, costs), max(both, key=lambda row: known[row].mean())}
    for row in sorted(first):
        more = grid.with_reranker(recipes[row])
        recipes += more
        scores = np.vstack([scores, _reranked(asked, recipes[row], more, reranker, report)])
    return recipes, scores


def _reranked(
    asked: Sequence[Legs],
    first: Recipe,
    recipes: Sequence[Recipe],
    reranker: Reranker,
    report: Report,
) -> Scores:
    scores = np.empty((len(recipes), len(asked)))
    for column, legs in enumerate(asked):
        ranking = legs.ranking(first)
        given = reranker.scores(
            legs.query.text,
            [passage.chunk.searched_text for passage in ranking[: max(grid.DEPTHS)]],
        )
        for row, recipe in enumerate(recipes):
            scores[row, column] = _ndcg(legs, reordered(ranking, given, recipe))
        report("reranked", column + 1, len(asked))
    return scores


def reordered(ranking: Sequence[Passage], given: Sequence[float], recipe: Recipe) -> list[Passage]:
    """The ranking as the recipe's reranking leaves it, by the reranker's scores of its head."""
    head = ranking[: recipe.rerank_depth]
    fused = [passage.score for passage in head]
    last = mixed(fused, given[: len(head)], weight=recipe.rerank_weight)
    order = sorted(range(len(head)), key=lambda at: -last[at])
    return [*(head[at] for at in order), *ranking[len(head) :]]


def _ndcg(legs: Legs, ranking: Sequence[Passage]) -> float:
    return ndcg([passage.document_id for passage in ranking], legs.query.grades)


def _gate(decision: Decision, recipes: Sequence[Recipe]) -> Gate:
    return Gate(
        passed=decision.passed,
        margin=MARGIN,
        proposed=grid.name(recipes[decision.proposed]),
        proposed_score=decision.held_out,
        best_single=grid.name(recipes[decision.best_single]),
        best_single_score=decision.held_out_single,
    )


def _measured(found: Best, train: Columns, held_out: Columns) -> list[Measured]:
    return [
        Measured(
            name=grid.name(recipe),
            train=round(float(scores[train].mean()), 4),
            held_out=round(float(scores[held_out].mean()), 4),
        )
        for recipe, scores in zip(found.recipes, found.scores, strict=True)
    ]
