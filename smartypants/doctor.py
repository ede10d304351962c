"""Looks for what would keep the system from working, and says what to do about it."""

from __future__ import annotations

import os
import shutil
import sys
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from smartypants import credentials, models, ports, runtime, wiring
from smartypants.accelerator import has_gpu
from smartypants.auth.exposure import check_exposure
from smartypants.errors import SetupError, SmartyPantsError
from smartypants.ledger import collections
from smartypants.options.providers import EndpointOptions
from smartypants.settings import Settings

MIN_MEMORY = 3 * 2**30
MIN_DISK = 2 * 2**30


@dataclass(frozen=True, slots=True)
class Check:
    """One finding."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


def examine(settings: Settings) -> list[Check]:
    """Every check; those of a running system where one runs."""
    checks: list[tuple[str, Callable[[Settings], str]]] = [
        ("python", _python),
        ("accelerator", lambda s: "NVIDIA GPU" if has_gpu(s) else "CPU"),
        ("memory", _memory),
        ("disk", _disk),
        ("embedding model", _embedding_model),
        ("language model", _llm),
        ("reranker", _reranker),
        ("ledger", _ledger),
        ("blobs", _blobs),
        ("authentication", check_exposure),
    ]
    if runtime.running(settings) is None:
        checks += [("http port", _http_port), ("vector port", _vector_port)]
    else:
        checks += [("vector store", _vector_store)]
    return [_run(name, check, settings) for name, check in checks]


def preflight(settings: Settings) -> None:
    """Raises the first error that would keep `smartypants up` from working."""
    for check in (
        check_exposure, _memory, _disk, _embedding_model, _llm, _reranker, _http_port, _vector_port
    ):  # fmt: skip
        check(settings)


def _run(name: str, check: Callable[[Settings], str], settings: Settings) -> Check:
    try:
        return Check(name, True, check(settings))
    except SmartyPantsError as exc:
        return Check(name, False, exc.message, exc.hint)
    except SQLAlchemyError as exc:
        return Check(name, False, str(exc).splitlines()[0], "Check ledger.url.")


def _python(_: Settings) -> str:
    return sys.version.split()[0]


def available_memory() -> int:
    """Bytes that can be had without swapping, as far as the system tells."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _memory(settings: Settings) -> str:
    free = available_memory()
    if free < MIN_MEMORY:
        raise SetupError(
            f"Only {_size(free)} of memory are free; {_size(MIN_MEMORY)} are needed.",
            "End other programs, or choose llm.kind = openai, which needs no model here.",
        )
    return f"{_size(free)} free"


def _disk(settings: Settings) -> str:
    folder = settings.data_dir.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < MIN_DISK:
        raise SetupError(
            f"Only {_size(free)} are free at {folder}; {_size(MIN_DISK)} are needed.",
            "Free some, or set data_dir.",
        )
    return f"{_size(free)} free at {folder}"


def _embedding_model(settings: Settings) -> str:
    chosen = settings.embedder
    if chosen.remote:
        return f"{chosen.model} at {_endpoints(chosen.providers.values())}"
    return f"{chosen.model} at {wiring.embedder_path(settings)}"


def _llm(settings: Settings) -> str:
    providers = settings.llm.all_providers.values()
    engines = [
        model for found in providers if found.kind == "vllm" for model in found.models.values()
    ]
    said = [f"{model} ({models.locate(model)})" for model in engines]
    remote = [found for found in providers if found.kind != "vllm"]
    if remote:
        named = dict.fromkeys(model for found in remote for model in found.models)
        said.append(f"{', '.join(named)} at {_endpoints(remote)}")
    return "; ".join(said)


def _endpoints(providers: Collection[EndpointOptions]) -> str:
    """Where they are. Raises `SetupError` for a credential that is not there."""
    for found in providers:
        for reference in (found.credential, *found.headers.values()):
            if credentials.is_reference(reference):
                credentials.resolve(reference)
    return ", ".join(str(found.api_base) for found in providers)


def _reranker(settings: Settings) -> str:
    model = settings.reranker.model
    return "none: the fused order stands" if model is None else f"{model} ({models.locate(model)})"


def _ledger(settings: Settings) -> str:
    engine = wiring.open_ledger(settings)
    name = engine.url.render_as_string(hide_password=True)
    if settings.ledger.url is None and not (settings.data_dir / "ledger.db").exists():
        return f"{name}: not made yet"
    return f"{name}: {len(collections.every(engine))} collections"


def _blobs(settings: Settings) -> str:
    uri = settings.blob_uri
    if settings.blobs.uri is None and not (settings.data_dir / "blobs").exists():
        return f"{uri}: not made yet"
    blobs, probe = wiring.open_blobs(settings), f"doctor-{uuid.uuid4().hex}"
    data = os.urandom(64)
    blobs.put(f"{probe}/blob", data)
    found = blobs.get(f"{probe}/blob")
    blobs.delete(probe)
    if found != data:
        raise SetupError(f"{uri} gives back other bytes than were written.", "Check blobs.uri.")
    return f"{uri}: writes, reads and deletes"


def _vector_store(settings: Settings) -> str:
    wiring.open_vectors(settings).ping()
    return settings.vector_uri


def _http_port(settings: Settings) -> str:
    port = settings.http.port
    ports.check_free(port, "http.port", settings.http.host)
    return f"{port} is free"


def _vector_port(settings: Settings) -> str:
    if not settings.embedded_vectors:
        return settings.vector_uri
    port = settings.vectors.embedded_port
    ports.check_free(port, "vectors.embedded_port")
    return f"{port} is free"


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
