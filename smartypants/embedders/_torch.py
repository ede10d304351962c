"""Runs a sentence-transformers model in torch, on whatever device it has."""

from __future__ import annotations

import numpy as np

from smartypants.embedders._batches import Padded
from smartypants.errors import ModelNotFound
from smartypants.protocols import Vectors


class TorchRuntime:
    """bfloat16 on a GPU, float32 elsewhere."""

    lanes = 1

    def __init__(self, path: str, *, device: str | None, threads: int | None) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        if threads is not None:
            torch.set_num_threads(threads)
        try:
            self._encoder = SentenceTransformer(path, device=device).eval()
        except (OSError, ValueError) as exc:
            raise ModelNotFound(
                f"No sentence-transformers model could be loaded from {path}: {exc}",
                "Check embedder.model.",
            ) from exc
        self.batch_tokens = 1024
        if self._encoder.device.type == "cuda":
            self._encoder.to(torch.bfloat16)
            self.batch_tokens = 8192

    def forward(self, ids: Padded, mask: Padded) -> Vectors:
        import torch

        device = self._encoder.device
        with torch.inference_mode():
            features = {
                "input_ids": torch.from_numpy(ids).to(device),
                "attention_mask": torch.from_numpy(mask).to(device),
            }
            found = self._encoder(features)["sentence_embedding"]
            return np.asarray(found.float().cpu().numpy())
