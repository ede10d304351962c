"""Deployment: runs jobs."""

from __future__ import annotations

import threading

from actors.jobs import run_jobs
from actors.worker_logs import configure_worker_logs
from smartypants.settings import Settings


class JobRunnerServer:
    """One replica, which works on the ledger's jobs in a thread; Serve replaces it if it dies."""

    def __init__(self, settings: Settings) -> None:
        configure_worker_logs(settings)
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=run_jobs, args=(settings, self._stop), name="jobs", daemon=True
        )
        self._thread.start()

    async def ready(self) -> str:
        return "working" if self._thread.is_alive() else "ended"

    async def check_health(self) -> None:
        if not self._thread.is_alive():
            raise RuntimeError("the job runner's thread ended")

    def __del__(self) -> None:
        self._stop.set()
