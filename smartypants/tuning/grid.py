"""The recipes that tuning compares, and what they cost to run."""

from __future__ import annotations

from collections.abc import Sequence

from smartypants.recipes import Recipe

WEIGHTS = tuple(step / 10 for step in range(1, 10))
RRF_KS = (10, 60)
DEPTHS = (8, 16, 32)
RERANK_WEIGHTS = (0.2, 0.4, 0.6, 0.8, 1.0)

Cost = tuple[int, int, int]
"""Pairs that a reranker scores, legs, candidates of each: compared from left to right."""


def without_reranker(base: Recipe, *, candidates: Sequence[int]) -> list[Recipe]:
    """Both legs alone, every fusion of them; all else as the base has it.

    The base itself is among them, so that tuning never settles for less than there was.
    """
    plain = base.model_copy(update={"rerank": False})
    found = [plain] if 0 < plain.dense_weight < 1 and plain.candidates <= max(candidates) else []
    for count in candidates:
        here = plain.model_copy(update={"candidates": count, "fusion": "weighted"})
        weights = (0.0, *WEIGHTS, 1.0)
        found += [here.model_copy(update={"dense_weight": weight}) for weight in weights]
        both = {"fusion": "rrf", "dense_weight": 0.5}
        found += [here.model_copy(update=both | {"rrf_k": k}) for k in RRF_KS]
    return list(dict.fromkeys(found))


def row_of(base: Recipe, recipes: Sequence[Recipe]) -> int | None:
    """Where the base is among them, without a reranker."""
    plain = base.model_copy(update={"rerank": False})
    return recipes.index(plain) if plain in recipes else None


def with_reranker(recipe: Recipe) -> list[Recipe]:
    """A recipe with a reranker behind it, at every depth and weight."""
    return [
        recipe.model_copy(update={"rerank": True, "rerank_depth": depth, "rerank_weight": weight})
        for depth in DEPTHS
        if depth <= recipe.candidates
        for weight in RERANK_WEIGHTS
    ]


def is_single_leg(recipe: Recipe) -> bool:
    """Whether one leg alone makes the ranking."""
    return recipe.dense_weight in (0.0, 1.0) and not recipe.rerank


def cost(recipe: Recipe) -> Cost:
    """What a search by this recipe asks of the machine, cheaper first."""
    legs = 1 if recipe.dense_weight in (0.0, 1.0) else 2
    return (recipe.rerank_depth if recipe.rerank else 0, legs, recipe.candidates)


def name(recipe: Recipe) -> str:
    """For people: `dense`, `bm25`, `weighted 0.6`, `rrf 60`, with what else is particular."""
    if recipe.dense_weight == 1:
        leg = "dense"
    elif recipe.dense_weight == 0:
        leg = "bm25"
    elif recipe.fusion == "rrf":
        leg = f"rrf {recipe.rrf_k}"
    else:
        leg = f"weighted {recipe.dense_weight:g}"
    text = f"{leg}, {recipe.candidates} candidates"
    if recipe.rerank:
        text += f", reranked {recipe.rerank_depth} at {recipe.rerank_weight:g}"
    return text
