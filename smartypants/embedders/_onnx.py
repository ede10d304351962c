"""Runs a sentence-transformers model in ONNX Runtime on a CPU; torch is needed only to export."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from smartypants import onnx_export
from smartypants.embedders._batches import Padded
from smartypants.protocols import Vectors

if TYPE_CHECKING:
    import torch

MIN_COSINE = 0.999
"""Against torch, for each text of a trial; an export that is further off is not used."""


def exported(path: str, cache: Path) -> Path:
    """The model as an ONNX file. Raises `SetupError` like `onnx_export.exported`."""
    folder = onnx_export.exported(path, cache, _write, form="onnx-1", setting="embedder.backend")
    return folder / "model.onnx"


class OnnxRuntime:
    """float32; each batch on one thread, as many batches at once as there are threads.

    Threads that share a batch wait for each other at every layer, and longest where other
    processes want the cores too.
    """

    batch_tokens = 256

    def __init__(self, path: str, *, cache: Path, threads: int | None) -> None:
        import onnxruntime

        self.lanes = threads or os.cpu_count() or 1
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(exported(path, cache)), options, providers=["CPUExecutionProvider"]
        )

    def forward(self, ids: Padded, mask: Padded) -> Vectors:
        (found,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        return np.asarray(found)


def _write(path: str, folder: Path) -> str:
    cosine = _smallest_cosine(path, folder / "model.onnx")
    return f"cosine to torch is {cosine:.4f}" if cosine < MIN_COSINE else ""


def _smallest_cosine(path: str, file: Path) -> float:
    """Export; returns the smallest cosine to torch over a trial of both."""
    import onnxruntime
    import torch
    from sentence_transformers import SentenceTransformer

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            # The exporter knows the plain form of attention best, and the runtime fuses it.
            self.model = SentenceTransformer(
                path, device="cpu", model_kwargs={"attn_implementation": "eager"}
            )

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            pooled: torch.Tensor = self.model(features)["sentence_embedding"]
            return pooled

    model = Pooled().eval()
    names = ["input_ids", "attention_mask"]
    axes = {name: {0: "texts", 1: "tokens"} for name in names} | {"vectors": {0: "texts"}}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            _trial(3, 17),
            str(file),
            dynamo=False,
            input_names=names,
            output_names=["vectors"],
            dynamic_axes=axes,
        )
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    smallest = 1.0
    for texts, tokens in ((1, 3), (2, 40), (5, 128)):
        ids, mask = _trial(texts, tokens)
        with torch.inference_mode():
            wanted = torch.nn.functional.normalize(model(ids, mask), dim=1)
        (found,) = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
        cosines = (torch.nn.functional.normalize(torch.from_numpy(found), dim=1) * wanted).sum(1)
        smallest = min(smallest, float(cosines.min()))
    return smallest


def _trial(texts: int, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    ids = (torch.arange(texts * tokens).reshape(texts, tokens) * 37) % 900 + 100
    mask = torch.ones_like(ids)
    mask[1:, tokens // 2 :] = 0
    return ids, mask
