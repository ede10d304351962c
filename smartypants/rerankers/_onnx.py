"""Runs a sequence-classification cross-encoder in ONNX Runtime on a CPU; torch only exports it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smartypants import onnx_export
from smartypants.protocols import Pair

MAX_DIFFERENCE = 0.01
"""To torch's logits over a trial; an export that is further off is not used."""

_TRIAL: tuple[Pair, ...] = (
    ("What is Ray?", "Ray is a framework for distributed Python."),
    ("What is Ray?", ""),
    ("a", "A ray is a flat fish that lives in the sea. " * 30),
)


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

        folder = onnx_export.exported(
            path, cache, _write, form="reranker-onnx-1", setting="reranker.backend"
        )
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


def _write(path: str, folder: Path) -> str:
    difference = _largest_difference(path, folder)
    return f"logits differ by {difference:.4f}" if difference > MAX_DIFFERENCE else ""


def _largest_difference(path: str, folder: Path) -> float:
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
