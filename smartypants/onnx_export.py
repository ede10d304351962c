"""Models that ONNX Runtime runs on a CPU: exported on first use, checked, and kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import structlog

from smartypants.errors import SetupError
from smartypants.models import built_once
from smartypants.types import stable_id

log = structlog.get_logger(__name__)

Backend = Literal["auto", "torch", "onnx"]
Write = Callable[[str, Path], str]
"""Exports the model at a path into a folder; says why it is not to be used, or nothing."""

_REFUSED = "refused.txt"


def available() -> bool:
    """Whether what export and runtime need is installed."""
    return find_spec("onnxruntime") is not None and find_spec("onnx") is not None


def wanted(backend: Backend, device: str | None, cache: Path | None, *, setting: str) -> bool:
    """Whether to run in ONNX Runtime; `auto` does so on a CPU where it can.

    Raises `SetupError` where it is asked for by name and can't be; `setting` is what asks.
    """
    if backend == "auto":
        return device == "cpu" and cache is not None and available()
    if backend == "torch":
        return False
    if not available():
        raise SetupError(
            f"{setting} is onnx, but onnxruntime and onnx are not installed.",
            f"Install the extra 'cpu', or set {setting} to torch.",
        )
    if cache is None:
        raise SetupError("The onnx backend needs a folder to keep its model in.", "Pass cache.")
    return True


def exported(path: str, cache: Path, write: Write, *, form: str, setting: str) -> Path:
    """The folder that `write` filled for a model, in `cache`; `form` is what it fills it with.

    Raises `SetupError` for a model that can't be exported; that is remembered, too.
    """
    source = Path(path)
    files = sorted(file for file in source.rglob("*") if file.is_file())
    parts = [f"{f.relative_to(source)}:{f.stat().st_size}:{f.stat().st_mtime_ns}" for f in files]
    name = f"{source.name}-{stable_id(str(source.absolute()), *parts)[:12]}-{form}"
    folder = built_once(cache / name, partial(_export, path, write))
    refused = folder / _REFUSED
    if refused.exists():
        why = refused.read_text()
        raise SetupError(f"{path} has no ONNX form: {why}", f"Set {setting} to torch.")
    return folder


def _export(path: str, write: Write, target: Path) -> None:
    started = time.monotonic()
    log.info("onnx_export_started", model=path)
    target.mkdir(parents=True)
    # Exporters raise whatever they like; the reason is kept, and auto goes on with torch.
    try:
        reason = write(path, target)
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
