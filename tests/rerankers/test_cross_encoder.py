"""A real CrossEncoder: MiniLM's body with an untrained head, so that nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartypants.errors import ModelNotFound, SetupError
from smartypants.rerankers.cross_encoder import CrossEncoderReranker
from smartypants.testing import RerankerContract

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def folder(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    import torch
    from sentence_transformers import CrossEncoder

    torch.set_num_threads(1)  # more of them wait for each other where cores are shared
    torch.manual_seed(1)
    folder = str(tmp_path_factory.mktemp("cross-encoder"))
    CrossEncoder(str(minilm), num_labels=1, device="cpu", max_length=128).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module", params=["torch", "onnx"])
def reranker(request: pytest.FixtureRequest, folder: str, cache: Path) -> CrossEncoderReranker:
    return CrossEncoderReranker(
        path=folder,
        model="untrained",
        device="cpu",
        threads=1,
        batch_tokens=512,
        backend=request.param,
        cache=cache,
    )


class TestContract(RerankerContract):
    pass


def test_keeps_its_name(reranker: CrossEncoderReranker) -> None:
    assert reranker.model == "untrained"


def test_pairs_of_several_queries(reranker: CrossEncoderReranker) -> None:
    pairs = [
        (query, passage)
        for query in ("what is Ray?", "fish")
        for passage in RerankerContract.PASSAGES
    ]
    alone = [reranker.scores(query, [passage])[0] for query, passage in pairs]
    assert reranker.pair_scores(pairs) == pytest.approx(alone, abs=5e-3)
    assert len({round(score, 4) for score in alone}) > 6
    assert reranker.pair_scores([]) == []


def test_both_backends_give_the_models_logits(folder: str, cache: Path) -> None:
    import torch
    from sentence_transformers import CrossEncoder

    pairs = [("what is Ray?", passage) for passage in RerankerContract.PASSAGES]
    wanted = CrossEncoder(folder, device="cpu").predict(pairs, activation_fn=torch.nn.Identity())
    for backend in ("torch", "onnx", "auto"):
        reranker = CrossEncoderReranker(
            path=folder, model="m", device="cpu", backend=backend, cache=cache
        )
        assert reranker.pair_scores(pairs) == pytest.approx(list(wanted), abs=5e-3)
        assert reranker.backend == ("torch" if backend == "torch" else "onnx")


def test_a_model_without_onnx_form_runs_in_torch(minilm: Path, tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder

    two = str(tmp_path / "two-labels")
    CrossEncoder(str(minilm), num_labels=2, device="cpu").save_pretrained(two)
    with pytest.raises(SetupError, match="2 labels"):
        CrossEncoderReranker(path=two, model="m", device="cpu", backend="onnx", cache=tmp_path)
    again = CrossEncoderReranker(path=two, model="m", device="cpu", cache=tmp_path)
    assert again.backend == "torch"


def test_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"reranker\.model"):
        CrossEncoderReranker(path=str(tmp_path), model="nothing")
