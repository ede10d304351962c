"""A real CrossEncoder: MiniLM's body with an untrained head, so that nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartypants.errors import ModelNotFound
from smartypants.rerankers.cross_encoder import CrossEncoderReranker
from smartypants.testing import RerankerContract

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def reranker(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> CrossEncoderReranker:
    import torch
    from sentence_transformers import CrossEncoder

    torch.set_num_threads(1)  # more of them wait for each other where cores are shared
    folder = str(tmp_path_factory.mktemp("cross-encoder"))
    CrossEncoder(str(minilm), num_labels=1, device="cpu", max_length=128).save_pretrained(folder)
    return CrossEncoderReranker(path=folder, model="untrained", device="cpu", batch_size=8)


class TestContract(RerankerContract):
    pass


def test_keeps_its_name(reranker: CrossEncoderReranker) -> None:
    assert reranker.model == "untrained"


def test_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"reranker\.model"):
        CrossEncoderReranker(path=str(tmp_path), model="nothing")
