"""Reranking by a sentence-transformers CrossEncoder."""

from __future__ import annotations

from collections.abc import Sequence

from smartypants.errors import ModelNotFound


class CrossEncoderReranker:
    """Scores (query, passage) pairs with any CrossEncoder in a folder.

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
        batch_size: int = 32,
    ) -> None:
        from sentence_transformers import CrossEncoder

        try:
            self._encoder = CrossEncoder(path, device=device)
        except (OSError, ValueError) as exc:
            raise ModelNotFound(
                f"No cross-encoder could be loaded from {path}: {exc}", "Check reranker.model."
            ) from exc
        self.model = model
        self._batch_size = batch_size

    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        if not passages:
            return []
        pairs = [(query, passage) for passage in passages]
        scores = self._encoder.predict(
            pairs, batch_size=self._batch_size, show_progress_bar=False, convert_to_numpy=True
        )
        return [float(score) for score in scores]


PLUGIN = CrossEncoderReranker
