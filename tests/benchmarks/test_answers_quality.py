from __future__ import annotations

import json

import numpy as np

from benchmarks._beir import Passage
from benchmarks._no_answer import auc, fit, probability
from benchmarks._offline import Asked, OfflineIndex
from benchmarks.semantic_cache import PARAPHRASES


def test_regression_finds_what_made_the_data() -> None:
    random = np.random.default_rng(0)
    seen = random.normal(size=(4000, 2))
    chance = 1 / (1 + np.exp(-(2 * seen[:, 0] - seen[:, 1])))
    answered = random.random(4000) < chance
    found = fit(seen, answered)
    assert np.allclose(found, [0, 2, -1], atol=0.25)
    given = probability(found, seen)
    assert auc(given[answered], given[~answered]) > 0.8


def test_auc_by_hand() -> None:
    assert auc(np.array([1.0, 3.0]), np.array([2.0, 1.0])) == (0 + 0.5 + 1 + 1) / 4


def test_offline_search_uses_both_legs_and_leaves_out() -> None:
    passages = [Passage("a", "", "a harbour"), Passage("b", "", "a crane"), Passage("c", "", "sea")]
    index = OfflineIndex(passages, np.eye(3, dtype=np.float32))
    asked = Asked("harbour", np.array([0.1, 0.9, 0.2], dtype=np.float32))
    ids = [hit.chunk.document_id for hit in index.search(asked, top_k=2)]
    assert set(ids) == {"a", "b"}
    [best, *_] = index.search(asked, top_k=2, without=frozenset("a"))
    assert best.chunk.document_id == "b"
    assert "bm25" not in best.scores


def test_paraphrases_are_many_and_distinct() -> None:
    rows = [json.loads(line) for line in PARAPHRASES.read_text().splitlines()]
    assert len(rows) >= 150
    assert len({row["_id"] for row in rows}) == len(rows)
    assert len({row["paraphrase"] for row in rows}) == len(rows)
