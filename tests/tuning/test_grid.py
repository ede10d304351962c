from __future__ import annotations

from smartypants.recipes import Recipe
from smartypants.tuning import grid


def test_both_legs_alone_and_the_base_are_among_them() -> None:
    base = Recipe(dense_weight=0.35, candidates=70, collapse=False)
    found = grid.without_reranker(base, candidates=(50, 100))
    assert base.model_copy(update={"rerank": False}) in found
    singles = [recipe for recipe in found if grid.is_single_leg(recipe)]
    assert {(recipe.dense_weight, recipe.candidates) for recipe in singles} == {
        (weight, count) for weight in (0.0, 1.0) for count in (50, 100)
    }
    assert len(set(found)) == len(found)
    assert not any(recipe.rerank or recipe.collapse for recipe in found)


def test_names_tell_them_apart() -> None:
    found = grid.without_reranker(Recipe(), candidates=(50, 100, 200))
    found += [more for recipe in found[:2] for more in grid.with_reranker(recipe)]
    assert len({grid.name(recipe) for recipe in found}) == len(found)


def test_cost() -> None:
    single = Recipe(dense_weight=1.0, rerank=False)
    both = Recipe(rerank=False)
    deep = Recipe(rerank=False, candidates=200)
    reranked = Recipe(rerank=True, rerank_depth=8)
    order = [single, both, deep, reranked, Recipe(rerank=True, rerank_depth=32)]
    shuffled = [order[at] for at in (3, 1, 4, 0, 2)]
    assert sorted(shuffled, key=grid.cost) == order
    assert not grid.is_single_leg(Recipe(dense_weight=1.0, rerank=True))


def test_reranking_is_no_deeper_than_the_candidates() -> None:
    depths = {recipe.rerank_depth for recipe in grid.with_reranker(Recipe(candidates=20))}
    assert depths == {8, 16}
