"""The real MiniLM, by each backend."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from smartypants import onnx_export
from smartypants.embedders import _onnx
from smartypants.embedders.sentence_transformers import SentenceTransformerEmbedder
from smartypants.errors import ModelNotFound, SetupError
from smartypants.protocols import TokenEmbedder
from smartypants.testing import EmbedderContract, LocalEmbedderContract

pytestmark = pytest.mark.integration

no_onnx = not onnx_export.available()
needs_onnx = pytest.mark.skipif(no_onnx, reason="the extra 'cpu' is not installed")


@pytest.fixture(scope="module")
def model_path(minilm: Path) -> str:
    return str(minilm)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def by_torch(model_path: str) -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(
        path=model_path, model="MiniLM", device="cpu", threads=1, backend="torch"
    )


@pytest.fixture(scope="module")
def by_onnx(model_path: str, cache: Path) -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(
        path=model_path, model="MiniLM", threads=1, backend="onnx", cache=cache
    )


class TestTorch(LocalEmbedderContract):
    @pytest.fixture
    def embedder(self, by_torch: SentenceTransformerEmbedder) -> SentenceTransformerEmbedder:
        return by_torch


@needs_onnx
class TestOnnx(LocalEmbedderContract):
    @pytest.fixture
    def embedder(self, by_onnx: SentenceTransformerEmbedder) -> SentenceTransformerEmbedder:
        return by_onnx


TEXTS = (
    *EmbedderContract.TEXTS,
    *(f"Buoy {n} reports waves. " * (n + 1) for n in range(12)),
    "word " * 2_000,
)


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.asarray((first * second).sum(axis=1))


def test_torch_is_plain_encode(by_torch: SentenceTransformerEmbedder, model_path: str) -> None:
    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(model_path, device="cpu").encode(list(TEXTS))
    assert cosines(by_torch.embed(TEXTS), plain).min() > 0.9999


@needs_onnx
def test_backends_agree(
    by_torch: SentenceTransformerEmbedder, by_onnx: SentenceTransformerEmbedder
) -> None:
    assert by_onnx.backend == "onnx"
    assert cosines(by_torch.embed(TEXTS), by_onnx.embed(TEXTS)).min() > 0.999


def test_tokens_made_elsewhere(by_torch: SentenceTransformerEmbedder, model_path: str) -> None:
    assert isinstance(by_torch, TokenEmbedder)
    tokens = SentenceTransformerEmbedder.tokenizer(model_path).tokenize(TEXTS)
    np.testing.assert_array_equal(by_torch.embed_tokens(tokens), by_torch.embed(TEXTS))


@needs_onnx
def test_auto_is_onnx_on_a_cpu_and_exports_once(
    by_onnx: SentenceTransformerEmbedder, model_path: str, cache: Path
) -> None:
    before = {file: file.stat().st_mtime_ns for file in cache.rglob("*.onnx")}
    found = SentenceTransformerEmbedder(path=model_path, model="m", device="cpu", cache=cache)
    assert found.backend == "onnx"
    assert {file: file.stat().st_mtime_ns for file in cache.rglob("*.onnx")} == before
    assert len(before) == 1
    assert found.model == "m"
    assert by_onnx.max_tokens == found.max_tokens


@needs_onnx
def test_model_that_cannot_be_exported(model_path: str, tmp_path: Path) -> None:
    broken = shutil.copytree(model_path, tmp_path / "model")
    (broken / "1_Pooling" / "config.json").write_text("{")
    for _ in range(2):
        with pytest.raises(SetupError, match=r"embedder\.backend"):
            _onnx.exported(str(broken), tmp_path / "cache")


@needs_onnx
def test_changed_weights_are_exported_anew(model_path: str, tmp_path: Path) -> None:
    model = shutil.copytree(model_path, tmp_path / "model")
    first = _onnx.exported(str(model), tmp_path / "cache")
    config = json.loads((model / "1_Pooling" / "config.json").read_text())
    config |= {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}
    (model / "1_Pooling" / "config.json").write_text(json.dumps(config))
    assert _onnx.exported(str(model), tmp_path / "cache") != first


def test_onnx_needs_a_folder(model_path: str) -> None:
    with pytest.raises(SetupError):
        SentenceTransformerEmbedder(path=model_path, model="m", backend="onnx")


def test_shape_of_minilm(model_path: str) -> None:
    assert SentenceTransformerEmbedder.shape(model_path) == (384, 256)


def test_similar_texts_are_closer(by_torch: SentenceTransformerEmbedder) -> None:
    question, answer, other = by_torch.embed(
        ["How tall is the tower?", "The tower is 300 m high.", "Bread needs yeast and flour."]
    )
    assert float(question @ answer) > float(question @ other) + 0.3


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
