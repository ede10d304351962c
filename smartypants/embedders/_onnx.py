"""Runs a sentence-transformers model in ONNX Runtime on a CPU; torch is needed only to export."""

from __future__ import annotations

import os
import time
import warnings
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import structlog

from smartypants.embedders._batches import Padded
from smartypants.errors import SetupError
from smartypants.models import built_once
from smartypants.protocols import Vectors
from smartypants.types import stable_id

if TYPE_CHECKING:
    import torch

log = structlog.get_logger(__name__)

MIN_COSINE = 0.999
"""Against torch, for each text of a trial; an export that is further off is not used."""

_FORMAT = "onnx-1"
_REFUSED = "refused.txt"
_HINT = "Set embedder.backend to torch."


def available() -> bool:
    """Whether what export and runtime need is installed."""
    return find_spec("onnxruntime") is not None and find_spec("onnx") is not None


def exported(path: str, cache: Path) -> Path:
    """The model as an ONNX file, exported on first use and kept in `cache`.

    Raises `SetupError` for a model that can't be exported; that is remembered, too.
    """
    source = Path(path)
    files = sorted(file for file in source.rglob("*") if file.is_file())
    parts = [f"{f.relative_to(source)}:{f.stat().st_size}:{f.stat().st_mtime_ns}" for f in files]
    name = f"{source.name}-{stable_id(str(source.absolute()), *parts)[:12]}-{_FORMAT}"
    folder = built_once(cache / name, partial(_export, path))
    refused = folder / _REFUSED
    if refused.exists():
        raise SetupError(f"{path} has no ONNX form: {refused.read_text()}", _HINT)
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


def _export(path: str, target: Path) -> None:
    started = time.monotonic()
    log.info("onnx_export_started", model=path)
    target.mkdir(parents=True)
    # Exporters raise whatever they like; the reason is kept, and auto goes on with torch.
    try:
        cosine = _write(path, target / "model.onnx")
        reason = f"cosine to torch is {cosine:.4f}" if cosine < MIN_COSINE else ""
    except Exception as exc:  # noqa: BLE001
        reason = f"{type(exc).__name__}: {exc}"
    if reason:
        for file in target.iterdir():
            file.unlink()
        (target / _REFUSED).write_text(reason)
        log.warning("onnx_export_refused", model=path, reason=reason)
    else:
        seconds = round(time.monotonic() - started, 1)
        log.info("onnx_export_finished", model=path, seconds=seconds)


def _write(path: str, file: Path) -> float:
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
