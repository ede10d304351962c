"""Chooses a recipe by its scores on some queries, and checks the choice on others.

Plain arithmetic over a matrix of scores, one row a recipe and one column a query, so that what it
promises can be tested on any matrix.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smartypants.tuning.grid import Cost

Scores = NDArray[np.float64]
"""Shape (recipes, queries): nDCG@10."""
Columns = NDArray[np.intp]

MARGIN = 0.002
"""nDCG@10 that a recipe may be below the best single leg on held-out queries."""
MIN_QUERIES = 20
SPLIT_FROM = 100
"""From so many queries on, one half is held out; fewer are cross-validated in `FOLDS` parts."""
FOLDS = 5
SIGNIFICANT = 1.645
"""Standard errors: a gain above it has less than 5 % to be none (one-sided, paired)."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Which recipe (a row of the matrix), and what speaks for it; all means are nDCG@10.

    With few queries, `held_out` is what choosing in this way gained on queries that the choice
    did not know: each fold's are scored by the choice of the others.
    """

    chosen: int
    best_single: int
    proposed: int
    passed: bool
    held_out: float
    held_out_single: float
    train_queries: int
    held_out_queries: int
    cross_validated: bool


def decide(
    scores: Scores,
    costs: Sequence[Cost],
    singles: Sequence[int],
    names: Sequence[str],
    *,
    base: int | None = None,
) -> Decision:
    """Choose on one part of the queries, then let the gate check it on the other.

    The gate: a choice that is more than `MARGIN` below the best single leg on the held-out
    queries is not taken. The recipe in use is kept then (the row `base`), which none of these
    queries chose; if the gate would not let that pass either, the best single leg is taken.
    `singles` are the rows of single legs, `names` the queries' ids, by which they are split, the
    same way each time.
    """
    train, held_out = split(names)
    proposed = choose(scores[:, train], costs)
    means = scores[:, held_out].mean(axis=1)
    best_single = max(singles, key=lambda row: means[row])
    measured = float(means[proposed])
    cross_validated = len(names) < SPLIT_FROM
    if cross_validated:
        measured = min(measured, _unseen(scores, costs, names))
    least = float(means[best_single]) - MARGIN
    passed = measured >= least
    fallback = best_single if base is None or float(means[base]) < least else base
    chosen = proposed if passed else fallback
    return Decision(
        chosen=chosen,
        best_single=best_single,
        proposed=proposed,
        passed=passed,
        held_out=measured,
        held_out_single=float(means[best_single]),
        train_queries=len(train),
        held_out_queries=len(held_out),
        cross_validated=cross_validated,
    )


def split(names: Sequence[str]) -> tuple[Columns, Columns]:
    """The columns to choose by, and those held out: halves, or twice all of few queries."""
    if len(names) < SPLIT_FROM:
        everything = np.arange(len(names), dtype=np.intp)
        return everything, everything
    train, held_out = parts(names, 2)
    return train, held_out


def _unseen(scores: Scores, costs: Sequence[Cost], names: Sequence[str]) -> float:
    """The mean where each part's queries are scored by what the other parts choose."""
    everything = np.arange(len(names))
    found = []
    for part in parts(names, min(FOLDS, len(names))):
        pick = choose(scores[:, np.setdiff1d(everything, part)], costs)
        found.append(scores[pick, part])
    return float(np.concatenate(found).mean())


def choose(scores: Scores, costs: Sequence[Cost]) -> int:
    """The cheapest recipe that is no worse than the best within noise.

    A cheaper one may lose one standard error of the paired differences, `MARGIN` at most. A
    reranker costs far more than anything else: its recipes have to be better by `SIGNIFICANT`
    standard errors than the best without. Ties go to the higher mean, then to the first.
    """
    means = scores.mean(axis=1)
    plain = [row for row, cost in enumerate(costs) if cost[0] == 0]
    reranked = [row for row, cost in enumerate(costs) if cost[0] > 0]
    best = _cheapest(scores, costs, means, plain) if plain else None
    if not reranked:
        if best is None:
            raise ValueError("there is no recipe to choose")
        return best
    other = _cheapest(scores, costs, means, reranked)
    if best is None:
        return other
    top = max(plain, key=lambda row: means[row])
    gain = scores[other] - scores[top]
    error = _standard_error(gain)
    return other if gain.mean() > max(SIGNIFICANT * error, MARGIN) else best


def _cheapest(
    scores: Scores, costs: Sequence[Cost], means: NDArray[np.float64], rows: Sequence[int]
) -> int:
    top = max(rows, key=lambda row: means[row])
    near = [
        row
        for row in rows
        if row == top
        or means[top] - means[row] <= min(_standard_error(scores[top] - scores[row]), MARGIN)
    ]
    return min(near, key=lambda row: (costs[row], -means[row], row))


def _standard_error(differences: NDArray[np.float64]) -> float:
    count = len(differences)
    return float(differences.std(ddof=1) / np.sqrt(count)) if count > 1 else float("inf")


def parts(names: Sequence[str], count: int) -> list[Columns]:
    """By a hash of each query's id, so that the same queries are parted in the same way."""
    order = sorted(range(len(names)), key=lambda column: _digest(names[column]))
    return [np.array(sorted(order[part::count]), dtype=np.intp) for part in range(count)]


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
