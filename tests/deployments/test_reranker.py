"""The deployment's class by itself: what comes in while a batch is computed is the next batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from deployments.reranker import RerankerServer
from smartypants.errors import SetupError
from smartypants.protocols import Pair
from smartypants.rerankers.cross_encoder import CrossEncoderReranker
from smartypants.settings import RerankerSettings, Settings

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def folder(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    import torch
    from sentence_transformers import CrossEncoder

    torch.manual_seed(1)
    folder = str(tmp_path_factory.mktemp("cross-encoder"))
    CrossEncoder(str(minilm), num_labels=1, device="cpu", max_length=64).save_pretrained(folder)
    return folder


def test_requests_share_a_batch(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    real = CrossEncoderReranker.pair_scores

    def counted(self: CrossEncoderReranker, pairs: Sequence[Pair]) -> list[float]:
        batches.append(len(pairs))
        return real(self, pairs)

    settings = Settings(
        data_dir=tmp_path, reranker=RerankerSettings(model=folder, max_batch_requests=4, threads=1)
    )
    server = RerankerServer(settings)
    requests = [(f"question {number}", ["fish", "a passage " * number]) for number in range(10)]
    alone = [server._reranker.scores(query, passages) for query, passages in requests]
    monkeypatch.setattr(CrossEncoderReranker, "pair_scores", counted)

    async def all_at_once() -> list[list[float]]:
        return await asyncio.gather(*(server.scores(*request) for request in requests))

    found = asyncio.run(all_at_once())
    for mine, wanted in zip(found, alone, strict=True):
        assert mine == pytest.approx(wanted, abs=5e-3)
    assert sum(batches) == 20
    assert max(batches) == 8
    assert len(batches) <= 4


def test_needs_a_model(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"reranker\.model"):
        RerankerServer(Settings(data_dir=tmp_path))
