from __future__ import annotations

import ir_measures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartypants.tuning.ndcg import ndcg

NAMES = [f"d{number}" for number in range(20)]
JUDGED = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 3), min_size=1)


@given(st.permutations(NAMES), st.integers(0, 20), JUDGED)
def test_is_that_of_ir_measures(order: list[str], length: int, judged: dict[str, int]) -> None:
    ranked = order[:length]
    run = [
        ir_measures.ScoredDoc("q", name, -float(rank)) for rank, name in enumerate(ranked, start=1)
    ]
    wanted = 0.0
    if run:
        wanted = ir_measures.calc_aggregate([ir_measures.nDCG @ 10], {"q": judged}, run)[
            ir_measures.nDCG @ 10
        ]
    assert ndcg(ranked, judged) == pytest.approx(wanted, abs=1e-9)


def test_known_values() -> None:
    assert ndcg(["a", "b"], {"a": 1}) == 1.0
    assert ndcg(["b", "a"], {"a": 1}) == pytest.approx(0.63093, abs=1e-5)
    assert ndcg(["b"], {"a": 1}) == 0.0
    assert ndcg(["a"], {"a": 0}) == 0.0
    assert ndcg([f"x{number}" for number in range(10)] + ["a"], {"a": 1}) == 0.0


def test_a_name_counts_once() -> None:
    assert ndcg(["a", "a", "b"], {"a": 1, "b": 1}) == 1.0
