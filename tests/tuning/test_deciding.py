from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from smartypants.tuning.deciding import FOLDS, MARGIN, SPLIT_FROM, choose, decide, parts, split
from smartypants.tuning.grid import Cost

SINGLE: Cost = (0, 1, 50)
FUSED: Cost = (0, 2, 50)
RERANKED: Cost = (32, 2, 50)
COSTS = [SINGLE, SINGLE, FUSED, FUSED, RERANKED, RERANKED]


def names(count: int) -> list[str]:
    return [f"q{number}" for number in range(count)]


@st.composite
def matrices(draw: st.DrawFn) -> np.ndarray:
    count = draw(st.sampled_from([20, 21, 60, SPLIT_FROM - 1, SPLIT_FROM, 150]))
    elements = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
    return draw(arrays(np.float64, (len(COSTS), count), elements=elements, fill=elements))


@settings(max_examples=300, deadline=None)
@given(matrices())
def test_never_below_the_best_single_leg_on_held_out_queries(scores: np.ndarray) -> None:
    ids = names(scores.shape[1])
    found = decide(scores, COSTS, [0, 1], ids)
    _, held_out = split(ids)
    means = scores[:, held_out].mean(axis=1)
    assert means[found.chosen] >= max(means[0], means[1]) - MARGIN - 1e-12
    assert found.chosen in (found.proposed, found.best_single)
    assert found.best_single in (0, 1)
    based = decide(scores, COSTS, [0, 1], ids, base=3)
    assert means[based.chosen] >= max(means[0], means[1]) - MARGIN - 1e-12
    assert based.chosen in (found.chosen, 3)
    assert based.passed == found.passed


@settings(max_examples=100, deadline=None)
@given(matrices())
def test_queries_held_out_do_not_choose(scores: np.ndarray) -> None:
    ids = names(scores.shape[1])
    train, held_out = split(ids)
    if len(ids) < SPLIT_FROM:
        assert set(train) == set(held_out) == set(range(len(ids)))
        return
    assert not set(train) & set(held_out)
    assert len(train) + len(held_out) == len(ids)
    assert abs(len(train) - len(held_out)) <= 1
    other = scores.copy()
    other[:, held_out] = 1.0 - other[:, held_out]
    assert decide(scores, COSTS, [0, 1], ids).proposed == decide(other, COSTS, [0, 1], ids).proposed


def test_split_does_not_depend_on_order() -> None:
    ids = names(200)
    train, _ = split(ids)
    backwards, _ = split(ids[::-1])
    assert {ids[at] for at in train} == {ids[::-1][at] for at in backwards}


def test_gate_falls_back_where_the_choice_was_luck() -> None:
    ids = names(200)
    train, held_out = split(ids)
    scores = np.full((3, 200), 0.5)
    scores[2, train] = 0.9
    scores[2, held_out] = 0.4
    scores[1, held_out] = 0.6
    found = decide(scores, [SINGLE, SINGLE, FUSED], [0, 1], ids)
    assert (found.proposed, found.passed, found.chosen) == (2, False, 1)
    assert found.held_out == pytest.approx(0.4)
    assert found.held_out_single == pytest.approx(0.6)


def test_the_recipe_in_use_is_kept_where_it_is_good_enough() -> None:
    ids = names(200)
    train, held_out = split(ids)
    scores = np.full((4, 200), 0.5)
    scores[2, train] = 0.9
    scores[2, held_out] = 0.4
    scores[3] = 0.5 - MARGIN / 2
    costs = [SINGLE, SINGLE, FUSED, FUSED]
    assert decide(scores, costs, [0, 1], ids, base=3).chosen == 3
    scores[1, held_out] = 0.6
    assert decide(scores, costs, [0, 1], ids, base=3).chosen == 1


def test_few_queries_are_scored_by_choices_that_did_not_know_them() -> None:
    """A recipe that looks best only because of what it was chosen by does not pass."""
    ids = names(50)
    scores = np.full((FOLDS + 1, 50), 0.5)
    for row, part in enumerate(parts(ids, FOLDS), start=1):
        scores[row] = 0.8
        scores[row, part] = 0.0
    found = decide(scores, [SINGLE, *[FUSED] * FOLDS], [0], ids)
    assert found.cross_validated
    assert scores[found.proposed].mean() == pytest.approx(0.64)
    assert found.held_out == 0.0
    assert (found.chosen, found.passed) == (0, False)


def test_cheaper_within_noise() -> None:
    scores = np.array([[0.5, 0.6, 0.7, 0.8], [0.504, 0.598, 0.704, 0.798]])
    assert scores[1].mean() > scores[0].mean()
    assert choose(scores, [SINGLE, FUSED]) == 0
    scores[1] += 0.1
    assert choose(scores, [SINGLE, FUSED]) == 1


def test_a_sure_loss_is_no_noise() -> None:
    scores = np.array([[0.500] * 4, [0.501] * 4])
    assert choose(scores, [SINGLE, FUSED]) == 1


def test_reranking_has_to_be_surely_better() -> None:
    plain = np.full(100, 0.5)
    noisy = np.stack([plain, plain + np.tile([0.22, -0.2], 50)])
    assert noisy[1].mean() > noisy[0].mean() + MARGIN
    assert choose(noisy, [FUSED, RERANKED]) == 0
    assert choose(noisy, [FUSED, (0, 2, 100)]) == 1
    sure = np.stack([plain, plain + 0.05])
    assert choose(sure, [FUSED, RERANKED]) == 1
