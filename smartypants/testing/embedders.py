"""What any `Embedder` does."""

from __future__ import annotations

import numpy as np
import pytest

from smartypants.protocols import Embedder, LocalEmbedder


class EmbedderContract:
    """What any `Embedder` does. Give the fixture `embedder`."""

    TEXTS = (
        "A cat sat on the mat.",
        "Quarterly revenue grew by nine per cent.",
        "",
        "短い文",
        "The committee met on Tuesday to discuss the budget. " * 4,
        "\x00 \ufffd 👩‍👩‍👧‍👦",
    )

    def test_a_unit_vector_for_each_text(self, embedder: Embedder) -> None:
        vectors = embedder.embed(self.TEXTS)
        assert vectors.shape == (len(self.TEXTS), embedder.dimension)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3)

    def test_no_texts(self, embedder: Embedder) -> None:
        assert embedder.embed([]).shape == (0, embedder.dimension)

    def test_rows_do_not_depend_on_the_batch(self, embedder: Embedder) -> None:
        many = [*self.TEXTS, *(f"Filler number {n}. " * (n % 7 + 1) for n in range(20))]
        order = np.random.default_rng(7).permutation(len(many))
        together = embedder.embed([many[row] for row in order])
        alone = np.concatenate([embedder.embed([many[row]]) for row in order[:5]])
        np.testing.assert_allclose((together[:5] * alone).sum(axis=1), 1.0, atol=5e-3)
        shown = embedder.embed(many)
        np.testing.assert_allclose((together * shown[order]).sum(axis=1), 1.0, atol=5e-3)

    def test_same_text_same_vector(self, embedder: Embedder) -> None:
        first, again = embedder.embed(self.TEXTS[:4]), embedder.embed(self.TEXTS[:4])
        np.testing.assert_allclose(first, again, atol=1e-6)

    def test_longer_texts_are_cut(self, embedder: Embedder) -> None:
        long = "word " * 2 * embedder.max_tokens
        short, longer = embedder.embed([long, long + "and something else at the end"])
        assert float(short @ longer) == pytest.approx(1.0, abs=5e-3)


class LocalEmbedderContract(EmbedderContract):
    """What any `LocalEmbedder` does. Give the fixtures `embedder` and `model_path`, its folder."""

    def test_shape_is_known_before_loading(self, embedder: LocalEmbedder, model_path: str) -> None:
        assert embedder.shape(model_path) == (embedder.dimension, embedder.max_tokens)
