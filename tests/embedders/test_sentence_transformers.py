"""The real MiniLM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from smartypants.embedders.sentence_transformers import SentenceTransformerEmbedder
from smartypants.errors import ModelNotFound
from smartypants.testing import EmbedderContract

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def model_path(minilm: Path) -> str:
    return str(minilm)


@pytest.fixture(scope="module")
def embedder(model_path: str) -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(
        path=model_path, model="MiniLM", device="cpu", threads=1, batch_tokens=512
    )


class TestContract(EmbedderContract):
    pass


def test_shape_of_minilm(model_path: str) -> None:
    assert SentenceTransformerEmbedder.shape(model_path) == (384, 256)


def test_similar_texts_are_closer(embedder: SentenceTransformerEmbedder) -> None:
    question, answer, other = embedder.embed(
        ["How tall is the tower?", "The tower is 300 m high.", "Bread needs yeast and flour."]
    )
    assert float(question @ answer) > float(question @ other) + 0.3


def test_batches_have_every_row_once_within_the_limit(
    embedder: SentenceTransformerEmbedder,
) -> None:
    texts = ["word " * (n % 50) for n in range(200)]
    batches = list(embedder._batches(texts))
    assert sorted(row for rows in batches for row in rows) == list(range(200))
    for rows in batches:
        assert len(rows) * max(len(texts[row]) // 4 + 2 for row in rows) <= 512


def test_text_above_the_batch_limit_goes_alone(model_path: str) -> None:
    small = SentenceTransformerEmbedder(path=model_path, model="m", device="cpu", batch_tokens=8)
    vectors = small.embed(["a long text " * 40, "b"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3)


def test_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"embedder\.model"):
        SentenceTransformerEmbedder.shape(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelNotFound):
        SentenceTransformerEmbedder.shape(str(tmp_path))
    with pytest.raises(ModelNotFound, match=str(tmp_path)):
        SentenceTransformerEmbedder(path=str(tmp_path), model="nothing")


def test_shape_after_a_dense_layer(tmp_path: Path) -> None:
    (tmp_path / "1_Dense").mkdir()
    (tmp_path / "config.json").write_text('{"hidden_size": 768, "max_position_embeddings": 512}')
    (tmp_path / "modules.json").write_text('[{"path": ""}, {"path": "1_Dense"}]')
    (tmp_path / "1_Dense" / "config.json").write_text('{"out_features": 128}')
    assert SentenceTransformerEmbedder.shape(str(tmp_path)) == (128, 512)
