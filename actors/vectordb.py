"""Hosts the embedded Milvus Lite server: one supervised process that all of one machine shares."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import ray
import structlog
from ray.actor import ActorHandle

from actors.worker_logs import configure_worker_logs
from smartypants import wiring
from smartypants.errors import VectorStoreUnavailable
from smartypants.processes import command_that_dies_with_us
from smartypants.settings import Settings
from smartypants.vectorstores.milvus import MilvusVectorStore

log = structlog.get_logger(__name__)

READY_TIMEOUT_S = 90.0
SUSPICIOUS_S = 60.0
"""Index files written so shortly before the last write of all are not trusted after a start."""


class VectorServer:
    """Runs the server, and runs it again when it dies. Ends it when this actor ends."""

    def __init__(self, settings: Settings) -> None:
        configure_worker_logs(settings)
        self._settings = settings
        self._data_dir = settings.data_dir.absolute() / "vectors"
        self._port = settings.vectors.embedded_port
        self._closing = threading.Event()
        self._running = threading.Event()
        # The kernel ends the server with the thread that started it, so one thread does both.
        threading.Thread(target=self._supervise, name="milvus-lite", daemon=True).start()

    def ready(self) -> str:
        """The server's URI, once it answers. Raises `VectorStoreUnavailable`."""
        self._running.wait(READY_TIMEOUT_S)
        store = wiring.open_vectors(self._settings)
        assert isinstance(store, MilvusVectorStore)
        store.wait(READY_TIMEOUT_S)
        store.load_all()
        return store.uri

    def stop(self) -> None:
        """End the server in order: what it holds in memory reaches the disk."""
        self._closing.set()
        while self._running.is_set():
            time.sleep(0.05)

    def _supervise(self) -> None:
        while not self._closing.is_set():
            process = self._start()
            self._running.set()
            while process.poll() is None and not self._closing.wait(0.2):
                pass
            if self._closing.is_set():
                _interrupt(process)
            else:
                log.warning("vector_server_died", returncode=process.returncode)
                time.sleep(0.5)
            self._running.clear()

    def _start(self) -> subprocess.Popen[bytes]:
        self._data_dir.mkdir(parents=True, exist_ok=True)
        drop_unmade_collections(self._data_dir)
        drop_suspicious_indexes(self._data_dir)
        command = command_that_dies_with_us(
            sys.executable, "-m", "milvus_lite", "server",
            "--data-dir", str(self._data_dir),
            "--host", "127.0.0.1",
            "--port", str(self._port),
        )  # fmt: skip
        with (_log_file(self._settings)).open("ab") as output:
            return subprocess.Popen(command, stdout=output, stderr=output)


def drop_unmade_collections(data_dir: Path) -> None:
    """Remove folders of collections that a kill left before their schema was written: nothing is
    in them, and Milvus Lite can neither open nor make a collection of that name."""
    for folder in data_dir.glob("collections/*/"):
        if {path.name for path in folder.iterdir()} <= {"schema.json.tmp"}:
            log.warning("unmade_collection_dropped", collection=folder.name)
            shutil.rmtree(folder)


def drop_suspicious_indexes(data_dir: Path) -> None:
    """Remove index files that a kill may have left half written.

    Milvus Lite writes its rows durably, but its index files in place, and can't load a
    collection with a broken one. It builds a missing one again.
    """
    files = [path for path in data_dir.rglob("*") if path.is_file()]
    newest = max((path.stat().st_mtime for path in files), default=0.0)
    for path in files:
        recent = path.stat().st_mtime > newest - SUSPICIOUS_S
        if path.parent.name == "indexes" and recent:
            path.unlink(missing_ok=True)


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # SIGTERM would end it without closing its files
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _log_file(settings: Settings) -> Path:
    folder = settings.data_dir.absolute() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "milvus-lite.log"


def start_vector_server(settings: Settings) -> ActorHandle[Any] | None:
    """Start the embedded server and wait until it answers; None where a Milvus is configured.

    The caller holds its port (`ports.claimed`). Raises `VectorStoreUnavailable`.
    """
    if not settings.embedded_vectors:
        return None
    actor: Any = ray.remote(VectorServer)
    server: ActorHandle[Any] = actor.options(num_cpus=0, max_restarts=-1, max_concurrency=4).remote(
        settings
    )
    try:
        ray.get(server.ready.remote(), timeout=2 * READY_TIMEOUT_S)
    except ray.exceptions.RayError as exc:
        raise VectorStoreUnavailable(
            "The embedded vector server did not start.", f"See {_log_file(settings)}."
        ) from exc
    return server
