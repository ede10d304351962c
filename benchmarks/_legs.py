"""BM25 and dense search over a corpus in memory: what mines hard negatives, without stores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

from smartypants.embedders.sentence_transformers import SentenceTransformerEmbedder
from smartypants.protocols import Vectors
from smartypants.terms import terms

Scores = NDArray[np.float32]
"""Shape (queries, documents)."""

_K1, _B = 0.9, 0.4
_CHUNK = 512


class BM25:
    """Lucene's BM25 (k1 0.9, b 0.4) over stemmed terms.

    >>> BM25(["a cat", "a dog"]).scores(["cats"]).argmax()
    0
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._vocabulary: dict[str, int] = {}
        rows, columns = [], []
        for row, text in enumerate(texts):
            for word in terms(text).split():
                rows.append(row)
                columns.append(self._vocabulary.setdefault(word, len(self._vocabulary)))
        shape = (len(texts), len(self._vocabulary))
        counts = csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
        lengths = np.asarray(counts.sum(axis=1)).ravel()
        frequency = np.bincount(counts.indices, minlength=shape[1])
        idf = np.log1p((shape[0] - frequency + 0.5) / (frequency + 0.5))
        norm = _K1 * (1 - _B + _B * lengths / max(lengths.mean(), 1.0))
        weights = counts.tocoo()
        weights.data = weights.data / (weights.data + norm[weights.row]) * idf[weights.col]
        self._weights = weights.tocsr()

    def scores(self, queries: Sequence[str]) -> Scores:
        rows, columns = [], []
        for row, query in enumerate(queries):
            for word in terms(query).split():
                if word in self._vocabulary:
                    rows.append(row)
                    columns.append(self._vocabulary[word])
        shape = (len(queries), len(self._vocabulary))
        asked = csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
        found: Scores = (asked @ self._weights.T).toarray().astype(np.float32)
        return found


def embedded(texts: Sequence[str], embedder: SentenceTransformerEmbedder, kept: Path) -> Vectors:
    """Vectors of the texts, kept in a file so that another run need not compute them."""
    if kept.is_file():
        vectors: Vectors = np.load(kept)
        if len(vectors) == len(texts):
            return vectors
    parts = [embedder.embed(texts[at : at + _CHUNK]) for at in range(0, len(texts), _CHUNK)]
    vectors = np.concatenate(parts)
    np.save(kept, vectors)
    return vectors


def scaled(scores: Scores) -> Scores:
    """Each row to 0…1."""
    low, high = scores.min(axis=1, keepdims=True), scores.max(axis=1, keepdims=True)
    found: Scores = (scores - low) / np.maximum(high - low, 1e-9)
    return found
