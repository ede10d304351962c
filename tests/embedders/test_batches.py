"""Batches of even padded size."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from smartypants.embedders._batches import batches, padded


@given(st.lists(st.integers(2, 300), max_size=60), st.integers(8, 600))
def test_every_row_once_within_the_budget(lengths: list[int], budget: int) -> None:
    found = list(batches(lengths, budget))
    assert sorted(row for rows in found for row in rows) == list(range(len(lengths)))
    for rows in found:
        assert len(rows) == 1 or len(rows) * max(lengths[row] for row in rows) <= budget


def test_longest_first_and_full() -> None:
    assert list(batches([2, 8, 4, 4], 8)) == [[1], [2, 3], [0]]


def test_padded_on_the_right_with_the_models_own_id() -> None:
    tokens = [np.array([7, 8, 9], dtype=np.int32), np.array([5], dtype=np.int32)]
    ids, mask = padded(tokens, 1)
    assert ids.tolist() == [[7, 8, 9], [5, 1, 1]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
