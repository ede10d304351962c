"""Runs a sequence-classification cross-encoder in ONNX Runtime on a CPU; torch only exports it."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from smartypants.errors import SetupError
from smartypants.models import built_once
from smartypants.protocols import Pair
from smartypants.types import stable_id

log = structlog.get_logger(__name__)

MAX_DIFFERENCE = 0.01
"""To torch's logits over a trial; an export that is further off is not used."""

_FORMAT = "reranker-onnx-1"
_REFUSED = "refused.txt"
_TRIAL: tuple[Pair, ...] = (
    ("What is Ray?", "Ray is a framework for distributed Python."),
    ("What is Ray?", ""),
    ("a", "A ray is a flat fish that lives in the sea. " * 30),
)


def available() -> bool:
    """Whether what export and runtime need is installed."""
    return find_spec("onnxruntime") is not None and find_spec("onnx") is not None


def exported(path: str, cache: Path) -> Path:
    """A folder with the model as an ONNX file, exported on first use and kept in `cache`.

    Raises `SetupError` for a model that can't be exported; that is remembered, too.
    """
    source = Path(path)
    files = sorted(file for file in source.glob("*") if file.is_file())
    parts = [f"{f.name}:{f.stat().st_size}:{f.stat().st_mtime_ns}" for f in files]
    name = f"{source.name}-{stable_id(str(source.absolute()), *parts)[:12]}-{_FORMAT}"
    folder = built_once(cache / name, partial(_export, path))
    refused = folder / _REFUSED
    if refused.exists():
        raise SetupError(
            f"{path} has no ONNX form: {refused.read_text()}", "Set reranker.backend to torch."
        )
    return folder


def max_length(encoder: Any) -> int:
    """Tokens of a pair; sentence-transformers has renamed it."""
    found = getattr(encoder, "max_seq_length", None) or encoder.max_length
    return int(found or 512)


class OnnxPairs:
    """float32, one session on its own threads."""

    batch_tokens = 2048

    def __init__(self, path: str, *, cache: Path, threads: int | None) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        folder = exported(path, cache)
        shape = json.loads((folder / "shape.json").read_text())
        self._inputs: list[str] = shape["inputs"]
        self._pad_id: int = shape["pad_id"]
        self._tokenizer = Tokenizer.from_file(str(Path(path) / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(shape["max_length"], strategy="longest_first")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        # Spinning threads take the cores from whatever runs beside: Ray, the vector server.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def prepare(self, pairs: Sequence[Pair]) -> tuple[list[Any], list[int]]:
        encodings = self._tokenizer.encode_batch([_plain(pair) for pair in pairs])
        return encodings, [len(encoding.ids) for encoding in encodings]

    def forward(self, prepared: Sequence[Any]) -> list[float]:
        longest = max(len(item.ids) for item in prepared)
        shape = (len(prepared), longest)
        ids = np.full(shape, self._pad_id, dtype=np.int64)
        mask, types = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        for row, item in enumerate(prepared):
            length = len(item.ids)
            ids[row, :length] = item.ids
            types[row, :length] = item.type_ids
            mask[row, :length] = 1
        every = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        (logits,) = self._session.run(None, {name: every[name] for name in self._inputs})
        return [float(value) for value in logits[:, 0]]


def _plain(pair: Pair) -> Pair:
    """The tokenizer refuses lone surrogates."""
    query, passage = (text.encode("utf-8", "replace").decode() for text in pair)
    return query, passage


def _export(path: str, target: Path) -> None:
    started = time.monotonic()
    log.info("onnx_export_started", model=path)
    target.mkdir(parents=True)
    # Exporters raise whatever they like; the reason is kept, and auto goes on with torch.
    try:
        difference = _write(path, target)
        reason = f"logits differ by {difference:.4f}" if difference > MAX_DIFFERENCE else ""
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


def _write(path: str, folder: Path) -> float:
    """Export; returns the largest difference of the logits to torch over a trial."""
    import onnxruntime
    import torch
    from sentence_transformers import CrossEncoder

    # The exporter knows the plain form of attention best, and the runtime fuses it.
    encoder = CrossEncoder(path, device="cpu", model_kwargs={"attn_implementation": "eager"})
    network = encoder.model.eval()
    if encoder.num_labels != 1:
        raise ValueError(f"the model has {encoder.num_labels} labels, not 1")
    features = encoder.tokenizer(
        [query for query, _ in _TRIAL],
        [passage for _, passage in _TRIAL],
        padding=True,
        truncation="longest_first",
        max_length=max_length(encoder),
        return_tensors="pt",
    )
    names = [name for name in encoder.tokenizer.model_input_names if name in features]

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.network(**dict(zip(names, inputs, strict=True))).logits
            return logits

    model, inputs = Logits().eval(), tuple(features[name] for name in names)
    file = str(folder / "model.onnx")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            inputs,
            file,
            dynamo=False,
            input_names=names,
            output_names=["logits"],
            dynamic_axes={name: {0: "pairs", 1: "tokens"} for name in names},
        )
        wanted = model(*inputs).numpy()
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    fed = {name: features[name].numpy() for name in names}
    largest = 0.0
    for rows in (slice(0, 1), slice(0, 3)):
        (found,) = session.run(None, {name: value[rows] for name, value in fed.items()})
        largest = max(largest, float(np.abs(found - wanted[rows]).max()))
    shape = {
        "inputs": names,
        "max_length": max_length(encoder),
        "pad_id": int(encoder.tokenizer.pad_token_id or 0),
    }
    (folder / "shape.json").write_text(json.dumps(shape))
    return largest
