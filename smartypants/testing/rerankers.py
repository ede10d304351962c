"""What any `Reranker` does."""

from __future__ import annotations

import math

import pytest

from smartypants.protocols import Reranker


class RerankerContract:
    """What any `Reranker` does. Give the fixture `reranker`."""

    PASSAGES = (
        "Ray is a framework.",
        "A ray is a fish.",
        "",
        "短い文",
        "word " * 600,
        "\x00 👩‍👩‍👧",
    )

    def test_one_number_a_passage(self, reranker: Reranker) -> None:
        scores = reranker.scores("what is Ray?", self.PASSAGES)
        assert len(scores) == len(self.PASSAGES)
        assert all(type(score) is float and math.isfinite(score) for score in scores)

    def test_no_passages(self, reranker: Reranker) -> None:
        assert reranker.scores("what is Ray?", []) == []

    def test_score_is_the_passages_own(self, reranker: Reranker) -> None:
        many = [*self.PASSAGES, *(f"Filler number {n}. " * (n % 3 + 1) for n in range(12))]
        together = reranker.scores("what is Ray?", many)
        backwards = reranker.scores("what is Ray?", many[::-1])[::-1]
        alone = [reranker.scores("what is Ray?", [passage])[0] for passage in many[:6]]
        assert together == pytest.approx(backwards, abs=5e-3)
        assert together[:6] == pytest.approx(alone, abs=5e-3)

    def test_any_query(self, reranker: Reranker) -> None:
        for query in ("", "word " * 2_000, "\x00", "日本"):
            assert len(reranker.scores(query, self.PASSAGES[:2])) == 2
