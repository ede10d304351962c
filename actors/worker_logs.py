"""Logs of Ray's worker processes, which nobody else configures.

Without that structlog prints every local variable with a traceback: documents, questions, and
whatever secret a function had at hand.
"""

from __future__ import annotations

import ray

from smartypants.settings import Settings
from smartypants.telemetry import configure_logs


def configure_worker_logs(settings: Settings) -> None:
    """Log as the settings say, if this is a worker; any other process has seen to it itself."""
    if ray.is_initialized() and ray.get_runtime_context().worker.mode == ray.WORKER_MODE:
        configure_logs(settings.log)
