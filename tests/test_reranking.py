from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from smartypants.protocols import Pair
from smartypants.reranking import mixed, rerank, score_together
from smartypants.types import SearchHit
from tests.hits import hit

SCORES = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8)


class Lengths:
    """Scores a passage by its length; notes the batches."""

    model = "lengths"

    def __init__(self) -> None:
        self.batches: list[list[Pair]] = []

    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        return [float(len(query) + len(passage)) for passage in passages]


class Together(Lengths):
    def pair_scores(self, pairs: Sequence[Pair]) -> list[float]:
        self.batches.append(list(pairs))
        return [float(len(query) + len(passage)) for query, passage in pairs]


def reordered(hits: list[SearchHit], *, depth: int, weight: float = 1.0) -> list[SearchHit]:
    async def scores(query: str, passages: Sequence[str]) -> list[float]:
        return [float(len(passage)) for passage in passages]

    return asyncio.run(rerank("q", hits, scores=scores, depth=depth, weight=weight))


def test_only_the_first_are_reordered() -> None:
    hits = [hit("a"), hit("aaa"), hit("aaaaaa")]
    found = reordered(hits, depth=2)
    assert [item.chunk.text for item in found] == ["aaa", "a", "aaaaaa"]
    assert found[0].scores["rerank"] == found[0].score
    assert found[0].scores["fused"] == 1.0
    assert "rerank" not in found[2].scores


def test_weight_mixes_both_orders() -> None:
    assert mixed([3.0, 2.0, 1.0], [-5.0, 5.0, 0.0], weight=1.0) == [-5.0, 5.0, 0.0]
    assert mixed([3.0, 2.0, 1.0], [-5.0, 5.0, 0.0], weight=0.5) == [0.5, 0.75, 0.25]
    assert mixed([3.0, 2.0, 1.0], [-5.0, 5.0, 0.0], weight=0.0) == [1.0, 0.5, 0.0]
    assert mixed([], [], weight=0.5) == []


@given(SCORES, st.floats(0, 0.99))
def test_a_mix_of_equal_orders_is_that_order(scores: list[float], weight: float) -> None:
    last = mixed(scores, scores, weight=weight)
    assert all(0 <= value <= 1 + 1e-9 for value in last)
    order = sorted(range(len(scores)), key=lambda at: (-scores[at], at))
    ranked = [last[at] for at in order]
    assert ranked == sorted(ranked, reverse=True)


def test_requests_are_scored_together_and_parted_again() -> None:
    requests = [("q", ["a", "bb"]), ("qq", []), ("qqq", ["c"])]
    wanted = [[2.0, 3.0], [], [4.0]]
    together = Together()
    assert score_together(together, requests) == wanted
    assert together.batches == [[("q", "a"), ("q", "bb"), ("qqq", "c")]]
    assert score_together(Lengths(), requests) == wanted


@given(st.lists(st.tuples(st.text(max_size=3), st.lists(st.text(max_size=3), max_size=4))))
def test_parting_loses_nothing(requests: list[tuple[str, list[str]]]) -> None:
    alone = [Lengths().scores(query, passages) for query, passages in requests]
    assert score_together(Together(), requests) == alone
