"""Reranking by a sentence-transformers CrossEncoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from smartypants import onnx_export
from smartypants.embedders._batches import batches
from smartypants.errors import ModelNotFound, SetupError
from smartypants.onnx_export import Backend
from smartypants.protocols import Pair
from smartypants.rerankers import _onnx

_CHARS_A_TOKEN = 4


class CrossEncoderReranker:
    """Scores (query, passage) pairs with any CrossEncoder in a folder: its logits.

    Pairs are sorted by length and packed so that a forward pass has about `batch_tokens` padded
    tokens, whichever queries they are of. `backend` is what runs the model: `auto` is ONNX
    Runtime on a CPU where it is installed, else torch. The ONNX form is kept in `cache`.

    >>> reranker = CrossEncoderReranker(path="/models/ms-marco-MiniLM-L6-v2", model="ms-marco")
    >>> reranker.scores("what is Ray?", ["Ray is a framework.", "A ray is a fish."])
    [8.1, -3.2]
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
        self._runtime = _runtime(path, device, threads, backend, cache)
        self.backend = "onnx" if isinstance(self._runtime, _onnx.OnnxPairs) else "torch"
        self._batch_tokens = batch_tokens or self._runtime.batch_tokens

    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        return self.pair_scores([(query, passage) for passage in passages])

    def pair_scores(self, pairs: Sequence[Pair]) -> list[float]:
        if not pairs:
            return []
        prepared, lengths = self._runtime.prepare(pairs)
        scores = [0.0] * len(pairs)
        for rows in batches(lengths, self._batch_tokens):
            found = self._runtime.forward([prepared[row] for row in rows])
            for row, score in zip(rows, found, strict=True):
                scores[row] = score
        return scores


class Runtime(Protocol):
    batch_tokens: int

    def prepare(self, pairs: Sequence[Pair]) -> tuple[list[Any], list[int]]:
        """What `forward` takes, a pair each, and how many tokens that is, about."""
        ...

    def forward(self, prepared: Sequence[Any]) -> list[float]: ...


class TorchPairs:
    """On whatever device there is; bfloat16 on a GPU."""

    def __init__(self, path: str, *, device: str | None, threads: int | None) -> None:
        import torch
        from sentence_transformers import CrossEncoder

        if threads is not None:
            torch.set_num_threads(threads)
        try:
            self._encoder = CrossEncoder(path, device=device)
        except (OSError, ValueError) as exc:
            raise ModelNotFound(
                f"No cross-encoder could be loaded from {path}: {exc}", "Check reranker.model."
            ) from exc
        self.batch_tokens = 2048
        if self._encoder.device.type == "cuda":
            self._encoder.to(torch.bfloat16)
            self.batch_tokens = 16384
        self._identity = torch.nn.Identity()
        self._limit = _onnx.max_length(self._encoder)

    def prepare(self, pairs: Sequence[Pair]) -> tuple[list[Any], list[int]]:
        lengths = [
            min((len(query) + len(passage)) // _CHARS_A_TOKEN + 3, self._limit)
            for query, passage in pairs
        ]
        return list(pairs), lengths

    def forward(self, prepared: Sequence[Any]) -> list[float]:
        found = self._encoder.predict(
            list(prepared),
            batch_size=len(prepared),
            show_progress_bar=False,
            activation_fn=self._identity,
            convert_to_numpy=True,
        )
        return [float(score) for score in found]


def _runtime(
    path: str, device: str | None, threads: int | None, backend: Backend, cache: Path | None
) -> Runtime:
    onnx = onnx_export.wanted(backend, device, cache, setting="reranker.backend")
    if backend == "auto" and not (Path(path) / "tokenizer.json").is_file():
        onnx = False  # only a fast tokenizer runs without torch
    if onnx and cache is not None:
        try:
            return _onnx.OnnxPairs(path, cache=cache, threads=threads)
        except SetupError:
            if backend == "onnx":
                raise
    return TorchPairs(path, device=device, threads=threads)


PLUGIN = CrossEncoderReranker
