"""Other projects' programs: their environments, made with uv, and what they use while they run."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]

from smartypants.errors import SetupError

SCRIPTS: Final = Path(__file__).parent / "peers"
CACHE: Final = Path.home() / ".cache" / "smartypants-peers"
TIMEOUT_S = 3_600

_ENDS_IN_S = 20
_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Usage:
    """What all processes below this one have used."""

    cpu_s: float
    rss: int
    """Bytes; what several processes share counts in each."""


def cache_argument(parser: argparse.ArgumentParser, name: str = "--cache") -> None:
    parser.add_argument(
        name, type=Path, default=CACHE, metavar="DIR",
        help="where the peers' environments are kept",
    )  # fmt: skip


def environment(peer: str, cache: Path) -> Path:
    """The peer's Python, its packages installed first if they changed."""
    folder = cache.expanduser().absolute() / peer
    requirements = SCRIPTS / f"{peer}.txt"
    wanted = requirements.read_text()
    stamp = folder / "installed.txt"
    python = folder / "bin" / "python"
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    wheels = os.environ.get("PIP_FIND_LINKS")
    source = ("--find-links", wheels) if wheels else ("--torch-backend", "cpu")
    # Hard links to the cache are refused by the nltk that LlamaIndex brings.
    env = os.environ | {"VIRTUAL_ENV": str(folder), "UV_LINK_MODE": "copy"}
    subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True)
    # The list is complete; without dependencies, no CUDA build comes along.
    install = [uv, "pip", "install", "-q", "--no-deps", *source, "-r", str(requirements)]
    subprocess.run(install, env=env, check=True)
    stamp.write_text(wanted)
    return python


def run(python: Path, script: Path, *arguments: str | Path) -> str:
    """What a peer's script prints. Raises `SetupError` if it fails."""
    done = subprocess.run(
        [str(python), str(script), *map(str, arguments)],
        env=_environ(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise SetupError(f"{script.name} failed: {done.stderr[-2000:]}", "See benchmarks/peers.")
    return done.stdout


def threads(count: int) -> dict[str, str]:
    """The environment in which a peer computes with so many."""
    return {"OMP_NUM_THREADS": str(count), "TOKENIZERS_PARALLELISM": "false"}


@contextmanager
def serving(
    command: Sequence[str],
    environ: dict[str, str],
    *,
    log: Path,
    ready: Callable[[], bool],
) -> Iterator[None]:
    """A peer's server, until the block ends.

    Raises `SetupError` if it ends by itself, or isn't ready in time.
    """
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, env=_environ() | environ, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while not ready():
            if server.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace")[-2000:]
                name = Path(command[0]).name
                raise SetupError(f"{name} doesn't serve: {said}", "See benchmarks/peers.")
            time.sleep(_POLL_S)
        yield
    finally:
        _end(server)


def usage() -> Usage:
    """Of the processes below this one: those of the server, where nothing else was started."""
    cpu_s, rss = 0.0, 0
    for process in psutil.Process().children(recursive=True):
        try:
            times = process.cpu_times()
            rss += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # it ended between being listed and being asked
        cpu_s += times.user + times.system
    return Usage(cpu_s, rss)


def _environ() -> dict[str, str]:
    """This process's environment, without our packages and without a model hub."""
    offline = {"HF_HUB_OFFLINE": "1", "HAYSTACK_TELEMETRY_ENABLED": "False"}
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | offline


def _end(server: subprocess.Popen[bytes]) -> None:
    """The server is asked to end; what is still there then is killed, its workers included."""
    if server.poll() is not None:
        return
    workers = psutil.Process(server.pid).children(recursive=True)
    server.terminate()
    try:
        server.wait(_ENDS_IN_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    for worker in workers:
        with suppress(psutil.NoSuchProcess):
            worker.kill()
    psutil.wait_procs(workers, timeout=_ENDS_IN_S)
