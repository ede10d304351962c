"""A stand-in for a model, for capacity tests: vectors by hashing, after a fixed time."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

import numpy as np

from smartypants.embedders.sentence_transformers import SentenceTransformerEmbedder
from smartypants.protocols import Vectors


class FixedCostEmbedder:
    """Takes `seconds` a call, whatever the call holds, and no processor meanwhile, like a GPU.

    It borrows the shape of the model in `path`, so chunks are cut as for that model.

    >>> FixedCostEmbedder(path="/models/all-MiniLM-L6-v2", model="stand-in", seconds=0.5)
    """

    def __init__(self, *, path: str, model: str, seconds: float = 1.0) -> None:
        self.model = f"fixed-cost:{model}"
        self.dimension, self.max_tokens = self.shape(path)
        self._seconds = seconds

    @staticmethod
    def shape(path: str) -> tuple[int, int]:
        return SentenceTransformerEmbedder.shape(path)

    def embed(self, texts: Sequence[str]) -> Vectors:
        time.sleep(self._seconds)
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            seed = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
            vectors[row] = np.random.default_rng(int.from_bytes(seed)).standard_normal(
                self.dimension, dtype=np.float32
            )
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


PLUGIN = FixedCostEmbedder
