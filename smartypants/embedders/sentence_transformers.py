"""Embeddings by a sentence-transformers model, in batches of even token counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np

from smartypants import onnx_export
from smartypants.embedders import _onnx
from smartypants.embedders._batches import Padded, batches, padded
from smartypants.errors import ModelNotFound, SetupError
from smartypants.onnx_export import Backend
from smartypants.protocols import TokenIds, Vectors
from smartypants.tokenizing import ModelTokenizer


class SentenceTransformerEmbedder:
    """Unit vectors from any sentence-transformers model in a folder.

    Texts are sorted by length and packed so that a forward pass has about `batch_tokens`
    padded tokens: a batch of short texts is large, one of long texts small. `backend` is what
    runs the model: `auto` is ONNX Runtime on a CPU where it is installed, else torch. The ONNX
    form is kept in `cache`.

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
        batch_tokens: int | None = None,
        backend: Backend = "auto",
        cache: Path | None = None,
    ) -> None:
        self.model = model
        self.dimension, self.max_tokens = self.shape(path)
        self._tokenizer = ModelTokenizer(path=path, max_tokens=self.max_tokens)
        self._pad_id = _pad_id(path)
        self._runtime = _runtime(path, device, threads, backend, cache)
        self.backend = "onnx" if isinstance(self._runtime, _onnx.OnnxRuntime) else "torch"
        self._batch_tokens = batch_tokens or self._runtime.batch_tokens
        self._lanes = ThreadPoolExecutor(self._runtime.lanes, thread_name_prefix="embed")

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

    @staticmethod
    def tokenizer(path: str) -> ModelTokenizer:
        """The tokenizer alone, for `embed_tokens` elsewhere; torch is not loaded."""
        _, max_tokens = SentenceTransformerEmbedder.shape(path)
        return ModelTokenizer(path=path, max_tokens=max_tokens)

    def embed(self, texts: Sequence[str]) -> Vectors:
        return self.embed_tokens(self._tokenizer.tokenize(texts))

    def embed_tokens(self, tokens: Sequence[TokenIds]) -> Vectors:
        vectors = np.empty((len(tokens), self.dimension), dtype=np.float32)

        def forward(rows: list[int]) -> None:
            ids, mask = padded([tokens[row] for row in rows], self._pad_id)
            vectors[rows] = self._runtime.forward(ids, mask)

        for _ in self._lanes.map(
            forward, batches([len(ids) for ids in tokens], self._batch_tokens)
        ):
            pass  # raises what a batch raised
        # In single precision, whatever the model computes in.
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors


class Runtime(Protocol):
    batch_tokens: int
    """Where it is fastest. A CPU's caches should hold a batch's activations; a GPU wants more."""
    lanes: int
    """Batches that it should be given at once."""

    def forward(self, ids: Padded, mask: Padded) -> Vectors: ...


def _runtime(
    path: str, device: str | None, threads: int | None, backend: Backend, cache: Path | None
) -> Runtime:
    from smartypants.embedders._torch import TorchRuntime

    onnx = onnx_export.wanted(backend, device, cache, setting="embedder.backend")
    if onnx and cache is not None:
        try:
            return _onnx.OnnxRuntime(path, cache=cache, threads=threads)
        except SetupError:
            if backend == "onnx":
                raise
    return TorchRuntime(path, device=device, threads=threads)


def _pad_id(path: str) -> int:
    # Some models derive positions from it, so the mask alone would not do.
    return int(json.loads((Path(path) / "config.json").read_text()).get("pad_token_id") or 0)


PLUGIN = SentenceTransformerEmbedder
