"""Finds the processes of a system that `smartypants up` started, and kills them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from smartypants import runtime
from smartypants.errors import SetupError
from smartypants.settings import Settings

START_TIMEOUT_S = 400.0
FIND_TIMEOUT_S = 30.0

STAGE_WORKERS = ("ReadDocuments", "WriteChunks", "Feed")


@dataclass(frozen=True, slots=True)
class Target:
    """Something to kill: how to tell its processes, and whether all of them go at once."""

    name: str
    matches: Callable[[str], bool]
    everything: bool = False


TARGETS = (
    Target("ray worker", lambda command: any(name in command for name in STAGE_WORKERS)),
    Target("embedding actor", lambda command: "EmbedChunks" in command),
    Target("ingest driver", lambda command: command.startswith("ray::IngestPipeline")),
    Target("job runner", lambda command: "JobRunnerServer" in command),
    Target("milvus lite", lambda command: "milvus_lite server" in command),
    Target("local ray", lambda command: True, everything=True),
)


class Installation:
    """A system in a process tree of its own, that can be started again.

    >>> with Installation(settings, environment) as here:
    ...     here.kill(TARGETS[0], random.Random(1))
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self.settings = settings
        self._environment = {**os.environ, **environment}
        self._up: subprocess.Popen[bytes] | None = None
        self._log = settings.data_dir / "up.log"

    def __enter__(self) -> Installation:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        if self._up is not None and self._up.poll() is None:
            self._up.send_signal(signal.SIGTERM)
            try:
                self._up.wait(90)
            except subprocess.TimeoutExpired:
                self._kill_all()

    def up(self) -> None:
        """`smartypants up`, the one documented command; returns when jobs are worked on."""
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as output:
            self._up = subprocess.Popen(
                [sys.executable, "-m", "deployments.cli", "up"],
                env=self._environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while runtime.running(self.settings) is None:
            if self._up.poll() is not None or time.monotonic() > deadline:
                tail = self._log.read_text(errors="replace")[-2000:]
                raise SetupError(f"`smartypants up` did not start: {tail}", "")
            time.sleep(0.2)

    def kill(self, target: Target, chance: random.Random) -> list[str]:
        """End one of the target's processes by SIGKILL (or all); what they were."""
        if target.everything:
            return self._kill_all()
        deadline = time.monotonic() + FIND_TIMEOUT_S
        while not (found := self.find(target)):
            if time.monotonic() > deadline:
                return []
            time.sleep(0.1)
        process = chance.choice(found)
        name = _command(process)[:80]
        _kill(process)
        return [name]

    def find(self, target: Target) -> list[psutil.Process]:
        return [process for process in self._tree() if target.matches(_command(process))]

    def _tree(self) -> list[psutil.Process]:
        if self._up is None:
            return []
        try:
            root = psutil.Process(self._up.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _kill_all(self) -> list[str]:
        tree = self._tree()
        for process in tree:
            _kill(process)
        if self._up is not None:
            self._up.wait()
        psutil.wait_procs(tree, timeout=20)
        return [f"{len(tree)} processes"]


def whereabouts(settings: Settings) -> dict[str, str]:
    """The environment that says where a system is and listens."""
    return {
        "SMARTYPANTS_DATA_DIR": str(settings.data_dir),
        "SMARTYPANTS_HTTP__PORT": str(settings.http.port),
        "SMARTYPANTS_VECTORS__EMBEDDED_PORT": str(settings.vectors.embedded_port),
    }


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):  # it was quicker
        process.kill()


def computed_chunks(scratch: Path) -> int:
    """Chunks that embedding actors of every session began to embed, by their logs."""
    total = 0
    for log in scratch.glob("session_2*/logs/worker-*.out"):
        for line in log.read_text(errors="replace").splitlines():
            if "embedding_chunks" in line:
                total += int(line.rsplit("chunks=", 1)[1].split()[0].strip("\x1b[0m"))
    return total
