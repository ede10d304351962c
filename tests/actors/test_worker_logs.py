"""Ray's workers log as the settings say, and not as structlog does by itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

PROGRAM = """
import ray, structlog
from actors.cluster import init_local
from actors.worker_logs import configure_worker_logs
from smartypants.settings import LogSettings, Settings

settings = Settings(log=LogSettings(level="error"))
configure_worker_logs(settings)
init_local(num_cpus=1, include_dashboard=False)

@ray.remote
def configured():
    configure_worker_logs(settings)
    last = structlog.get_config()["processors"][-1]
    return structlog.is_configured(), type(last).__name__

configure_worker_logs(settings)
print(structlog.is_configured(), *ray.get(configured.remote()))
ray.shutdown()
"""


def test_in_workers_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.stdout.split() == ["False", "True", "JSONRenderer"], done.stderr
