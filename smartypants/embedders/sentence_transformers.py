"""Embeddings by a sentence-transformers model, in batches of even token counts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from smartypants.errors import ModelNotFound
from smartypants.protocols import Vectors


class SentenceTransformerEmbedder:
    """Unit vectors from any sentence-transformers model in a folder.

    Texts are sorted by length and packed so that a forward pass has about `batch_tokens`
    padded tokens: a batch of short texts is large, one of long texts small.

    >>> embedder = SentenceTransformerEmbedder(path="/models/all-MiniLM-L6-v2", model="MiniLM")
    >>> embedder.embed(["a text"]).shape
    (1, 384)
    """

    def __init__(
        self,
        *,
        path: str,
        model: str,
        device: str | None = None,
        threads: int | None = None,
        batch_tokens: int = 8192,
    ) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        if threads is not None:
            torch.set_num_threads(threads)
        try:
            self._encoder = SentenceTransformer(path, device=device)
        except (OSError, ValueError) as exc:
            raise ModelNotFound(
                f"No sentence-transformers model could be loaded from {path}: {exc}",
                "Check embedder.model.",
            ) from exc
        if self._encoder.device.type == "cuda":
            self._encoder.to(torch.bfloat16)
        self.model = model
        self.dimension = self._encoder.get_embedding_dimension() or 0
        self.max_tokens = self._encoder.max_seq_length or 512
        self._batch_tokens = batch_tokens

    @staticmethod
    def shape(path: str) -> tuple[int, int]:
        """From the configuration files that sentence-transformers saves beside a model."""
        folder = Path(path)
        try:
            config = json.loads((folder / "config.json").read_text())
            modules = json.loads((folder / "modules.json").read_text())
        except (OSError, ValueError) as exc:
            raise ModelNotFound(
                f"{path} holds no sentence-transformers model: {exc}", "Check embedder.model."
            ) from exc
        dimension = int(config["hidden_size"])
        for module in modules:
            file = folder / module["path"] / "config.json"
            if module["path"] and file.exists():
                layer = json.loads(file.read_text())
                dimension = int(layer.get("out_features", dimension))
        limits = folder / "sentence_bert_config.json"
        max_tokens = json.loads(limits.read_text()).get("max_seq_length") if limits.exists() else 0
        return dimension, int(max_tokens or config.get("max_position_embeddings", 512))

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for rows in self._batches(texts):
            vectors[rows] = self._encoder.encode(
                [texts[row] for row in rows],
                batch_size=len(rows),
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        # In single precision, whatever the model computes in.
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def _batches(self, texts: Sequence[str]) -> Iterator[list[int]]:
        # Characters stand in for tokens: only the order and a rough size are needed here.
        cost = [min(len(text) // 4 + 2, self.max_tokens) for text in texts]
        batch: list[int] = []
        longest = 0
        for row in sorted(range(len(texts)), key=lambda row: -cost[row]):
            longest = max(longest, cost[row])
            if batch and longest * (len(batch) + 1) > self._batch_tokens:
                yield batch
                batch, longest = [], cost[row]
            batch.append(row)
        if batch:
            yield batch


PLUGIN = SentenceTransformerEmbedder
