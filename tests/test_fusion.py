"""Fusion, by hand and by its properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartypants.fusion import reciprocal_rank_fusion, weighted_sum
from smartypants.types import Candidate, Chunk


def leg(*names: str) -> list[Candidate]:
    return [
        Candidate(Chunk(name, "v", 0, name, 0, 1), 10.0 - rank) for rank, name in enumerate(names)
    ]


def test_formula_by_hand() -> None:
    fused = reciprocal_rank_fusion({"dense": leg("a", "b", "c"), "bm25": leg("c", "a", "d")}, k=60)
    assert [item.chunk.document_id for item in fused] == ["a", "c", "b", "d"]
    assert [item.score for item in fused] == pytest.approx(
        [1 / 61 + 1 / 62, 1 / 63 + 1 / 61, 1 / 62, 1 / 63]
    )
    assert fused[0].scores == {"dense": 10.0, "bm25": 9.0}
    assert fused[2].scores == {"dense": 9.0}


def test_ties_keep_the_order_of_the_legs() -> None:
    fused = reciprocal_rank_fusion({"dense": leg("a"), "bm25": leg("b")}, k=1)
    assert [item.chunk.document_id for item in fused] == ["a", "b"]


def test_small_k_trusts_the_top() -> None:
    legs = {"dense": leg("a", "b"), "bm25": leg("c", "b")}
    assert reciprocal_rank_fusion(legs, k=60)[0].chunk.document_id == "b"
    legs = {"one": leg("a", "x", "y", "b"), "two": leg("c", "z", "w", "b")}
    assert reciprocal_rank_fusion(legs, k=1)[0].chunk.document_id == "a"


def test_nothing() -> None:
    assert reciprocal_rank_fusion({}, k=60) == []
    assert reciprocal_rank_fusion({"dense": [], "bm25": []}, k=60) == []


RANKINGS = st.dictionaries(
    st.sampled_from(["dense", "bm25", "third"]),
    st.lists(st.sampled_from("abcdefgh"), unique=True),
)


@given(rankings=RANKINGS, k=st.integers(1, 100))
def test_properties(rankings: dict[str, list[str]], k: int) -> None:
    fused = reciprocal_rank_fusion({name: leg(*ids) for name, ids in rankings.items()}, k=k)
    assert {item.chunk.document_id for item in fused} == {
        i for ids in rankings.values() for i in ids
    }
    assert len({item.chunk.chunk_id for item in fused}) == len(fused)
    scores = [item.score for item in fused]
    assert scores == sorted(scores, reverse=True)
    for item in fused:
        name = item.chunk.document_id
        assert set(item.scores) == {key for key, ids in rankings.items() if name in ids}
        assert item.score == pytest.approx(
            sum(1 / (k + 1 + ids.index(name)) for ids in rankings.values() if name in ids)
        )


@given(ids=st.lists(st.sampled_from("abcdefgh"), unique=True), k=st.integers(1, 100))
def test_one_leg_keeps_its_order(ids: list[str], k: int) -> None:
    fused = reciprocal_rank_fusion({"dense": leg(*ids)}, k=k)
    assert [item.chunk.document_id for item in fused] == ids


HALVES = {"dense": 0.5, "bm25": 0.5}


def scored(**scores: float) -> list[Candidate]:
    return [
        Candidate(Chunk(name, "v", 0, name, 0, 1), score)
        for name, score in sorted(scores.items(), key=lambda item: -item[1])
    ]


def test_weighted_sum_by_hand() -> None:
    legs = {"dense": scored(a=0.9, b=0.5, c=0.1), "bm25": scored(b=12.0, d=8.0, a=4.0)}
    fused = weighted_sum(legs, weights=HALVES)
    assert {item.chunk.document_id: item.score for item in fused} == pytest.approx(
        {"b": 0.25 + 0.5, "a": 0.5, "d": 0.25, "c": 0.0}
    )
    assert [item.chunk.document_id for item in fused] == ["b", "a", "d", "c"]
    assert fused[0].scores == {"dense": 0.5, "bm25": 12.0}


def test_weight_of_one_is_that_leg_alone() -> None:
    legs = {"dense": scored(a=0.9, b=0.5), "bm25": scored(b=12.0, c=8.0)}
    alone = weighted_sum(legs, weights={"dense": 1.0, "bm25": 0.0})
    assert alone[0].chunk.document_id == "a"


def test_legs_without_spread_or_without_candidates() -> None:
    assert weighted_sum({"dense": [], "bm25": []}, weights=HALVES) == []
    [only] = weighted_sum({"dense": scored(a=0.3), "bm25": []}, weights=HALVES)
    assert only.score == 0.5


SCORES = st.dictionaries(st.sampled_from("abcdef"), st.floats(-1, 100, allow_nan=False))


@given(SCORES, SCORES)
def test_weighted_sum_keeps_every_chunk_once_within_bounds(
    dense: dict[str, float], bm25: dict[str, float]
) -> None:
    fused = weighted_sum({"dense": scored(**dense), "bm25": scored(**bm25)}, weights=HALVES)
    assert sorted(item.chunk.document_id for item in fused) == sorted({*dense, *bm25})
    assert all(-1e-9 <= item.score <= 1 + 1e-9 for item in fused)
    assert [item.score for item in fused] == sorted((i.score for i in fused), reverse=True)
