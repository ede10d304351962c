"""A collection in memory, searched as the product searches: exact dense, BM25, weighted sum."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks._beir import Passage, RetrievalSet
from smartypants.fusion import weighted_sum
from smartypants.protocols import Embedder, Vectors
from smartypants.terms import terms
from smartypants.types import Candidate, Chunk, SearchHit

K1, B = 1.2, 0.75
CANDIDATES = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and its unit vector."""

    text: str
    vector: Vectors


class OfflineIndex:
    """Each passage is one chunk; `vectors` are unit, one row a passage."""

    def __init__(self, passages: Sequence[Passage], vectors: Vectors) -> None:
        self._vectors = vectors
        self._passages = passages
        self._chunks = [
            Chunk(passage.id, "1", 0, passage.text, 0, len(passage.text), context=passage.title)
            for passage in passages
        ]
        counts = [Counter(terms(chunk.searched_text).split()) for chunk in self._chunks]
        lengths = np.array([sum(count.values()) for count in counts], dtype=np.float64)
        found: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for place, count in enumerate(counts):
            for term, number in count.items():
                found[term].append((place, number))
        norm = K1 * (1 - B + B * lengths / lengths.mean())
        self._weights: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
        for term, places in found.items():
            at = np.array([place for place, _ in places])
            tf = np.array([number for _, number in places], dtype=np.float64)
            idf = math.log(1 + (len(counts) - len(places) + 0.5) / (len(places) + 0.5))
            self._weights[term] = at, idf * tf * (K1 + 1) / (tf + norm[at])

    def search(
        self, asked: Asked, *, top_k: int, without: frozenset[str] = frozenset()
    ) -> list[SearchHit]:
        """The best passages, none of those in `without`."""
        gone = np.array([passage.id in without for passage in self._passages])
        dense = np.where(gone, -np.inf, self._vectors @ asked.vector)
        lexical = np.zeros(len(self._passages))
        for term in set(terms(asked.text).split()):
            if term in self._weights:
                at, weight = self._weights[term]
                lexical[at] += weight
        lexical[gone] = 0.0
        legs = {
            "dense": self._best(dense, -np.inf),
            "bm25": self._best(lexical, 0.0),
        }
        fused = weighted_sum(legs, weights={"dense": 0.5, "bm25": 0.5})[:top_k]
        return [
            SearchHit(
                item.chunk, item.score, item.scores, item.chunk.context, item.chunk.document_id, ""
            )
            for item in fused
        ]

    def _best(self, scores: NDArray[np.float64], above: float) -> list[Candidate]:
        order = np.argsort(-scores, kind="stable")[:CANDIDATES]
        return [Candidate(self._chunks[i], float(scores[i])) for i in order if scores[i] > above]


def indexed(data: RetrievalSet, embedder: Embedder) -> OfflineIndex:
    texts = [f"{passage.title} {passage.text}".strip() for passage in data.corpus]
    return OfflineIndex(data.corpus, embedder.embed(texts))
