"""Reciprocal rank fusion, by hand and by its properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartypants.fusion import reciprocal_rank_fusion
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
