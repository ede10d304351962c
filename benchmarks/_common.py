"""What the benchmarks share: options, a system of their own, percentiles, a table and JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar, get_args

import psutil  # type: ignore[import-untyped]
from rich.console import Console
from rich.table import Table

from actors.vectordb import VectorServer
from deployments.local import system, wait_until_ready
from smartypants import ports, wiring
from smartypants.accelerator import has_gpu
from smartypants.errors import SetupError
from smartypants.ledger import jobs
from smartypants.options.serving import Separable
from smartypants.settings import Settings
from smartypants.telemetry import configure_logs

P = ParamSpec("P")
R = TypeVar("R")

Figures = dict[str, float]

DATA: Final = Path(__file__).resolve().parents[2] / "shared" / "data"
NO_LLM: Final = {"kind": "openai", "api_base": "http://127.0.0.1:9/v1"}
"""An endpoint that nobody asks: the graph starts without an engine."""
AT_REST: Final = {"idle_s": 0.0}
"""Of the ingest program: it ends with its job, since it takes CPU time even while it waits."""
APART: Final = get_args(Separable)
"""What can have replicas of its own."""
SEARCH_PARTS: Final = ("ledger", "vector_store", "embedder", "job_runner")

_HTTP_PORT = 8600
_VECTOR_PORT = 19700
_POLL_S = 0.2


def arguments(name: str, description: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="less work, rougher figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument(
        "--reuse", type=Path, metavar="DATADIR", help="keep index and models there between runs"
    )
    return parser


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = -int(-share * len(ordered) // 1)
    return ordered[max(rank, 1) - 1]


def show(table: Table) -> None:
    """Print the table, with the machine below it."""
    table.caption = machine()
    table.caption_justify = "left"
    console = Console()
    console.print(table, width=max(console.width, 110))


def say(line: str) -> None:
    """How far a long benchmark is, on standard error."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def write_json(path: Path | None, figures: Figures) -> None:
    """One flat object, names in the order in which they were measured."""
    if path is not None:
        rounded = {name: float(f"{value:.5g}") for name, value in figures.items()}
        path.write_text(json.dumps(rounded, indent=2) + "\n")


def machine() -> str:
    """What the figures depend on, the load of others included."""
    memory = psutil.virtual_memory().total / 2**30
    device = "GPU" if has_gpu(Settings()) else "no GPU"
    packages = ", ".join(f"{name} {version(name)}" for name in ("ray", "torch", "milvus-lite"))
    return (
        f"{time.strftime('%Y-%m-%d')}: {os.cpu_count()} cores, {memory:.0f} GiB, {device}, "
        f"load {os.getloadavg()[0]:.1f}\nPython {platform.python_version()}, {packages}"
    )


@contextmanager
def data_dir(reuse: Path | None) -> Iterator[Path]:
    """The folder to keep, or one that goes away."""
    if reuse is not None:
        reuse.mkdir(parents=True, exist_ok=True)
        yield reuse.absolute()
    else:
        with tempfile.TemporaryDirectory(
            prefix="smartypants-bench-", ignore_cleanup_errors=True
        ) as folder:
            yield Path(folder)


def own_settings(folder: Path, **sections: Any) -> Settings:
    """The settings as they are, but with a data directory and ports of our own, and without
    caches, which would answer what is asked twice."""
    sections.setdefault("cache", {"kind": "none", "query_vectors": 0})
    return Settings(
        data_dir=folder,
        http={"port": ports.first_free(_HTTP_PORT)},
        vectors={"embedded_port": ports.first_free(_VECTOR_PORT)},
        log={"level": "error"},
        **sections,
    )


@contextmanager
def vector_server(settings: Settings) -> Iterator[None]:
    """The embedded vector server alone, without Ray."""
    with ports.claimed(settings.vectors.embedded_port, "vectors.embedded_port"):
        server = VectorServer(settings)
        try:
            server.ready()
            yield
        finally:
            server.stop()


@contextmanager
def running(settings: Settings, *, parts: tuple[str, ...] = ()) -> Iterator[str]:
    """The whole system on this machine, ready (or those parts of it); yields its URL."""
    configure_logs(settings.log)
    with system(settings) as url:
        wait_until_ready(url, lambda _: None, parts=parts)
        yield url


def index(settings: Settings, folder: Path, collection: str) -> Mapping[str, Any]:
    """Have the running system ingest a folder, as `smartypants ingest --wait` does, where it has
    not done so before.

    Returns the job's progress. Raises `SetupError` if the job or any document failed.
    """
    engine = wiring.open_ledger(settings)
    params = {"connector": "filesystem", "uri": str(folder), "allow_prune": True}
    for before in jobs.page(engine, limit=100, state=jobs.JobState.SUCCEEDED):
        if before.collection == collection and before.params["uri"] == params["uri"]:
            return before.progress
    job = jobs.submit(engine, "ingest", collection, params)
    while not job.ended:
        time.sleep(_POLL_S)
        job = jobs.get(engine, job.id)
    if job.error or job.progress["failed"]:
        raise SetupError(f"Ingesting {folder} failed: {job.error or dict(job.progress)}", "")
    return job.progress


def alone(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call it in a fresh process: threads and memory of its own, nothing left behind."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()
