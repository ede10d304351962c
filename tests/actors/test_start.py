"""A local Ray whose own processes did not come up is started once more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ray._private import services

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

# Hangs at its first start, as Ray's control service has been seen to do; then it is the real one.
CONTROL_SERVICE = """#!/bin/sh
if mkdir "{once}" 2>/dev/null; then echo $$ >"{once}/pid"; exec sleep 600; fi
exec "{real}" "$@"
"""

PROGRAM = """
import sys
import psutil
import ray
from ray._private import services
from actors.cluster import init_local

services.GCS_SERVER_EXECUTABLE = sys.argv[1]
init_local(num_cpus=1, include_dashboard=False)
with open(sys.argv[2]) as file:
    print("left" if psutil.pid_exists(int(file.read())) else "ended")
print(ray.cluster_resources()["CPU"])
ray.shutdown()
"""


def test_a_start_that_hung(tmp_path: Path) -> None:
    script = tmp_path / "gcs_server"
    script.write_text(
        CONTROL_SERVICE.format(once=tmp_path / "hung", real=services.GCS_SERVER_EXECUTABLE)
    )
    script.chmod(0o700)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, script, tmp_path / "hung" / "pid"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=os.environ | {"RAY_gcs_server_port_wait_time_s": "3"},
    )
    assert (tmp_path / "hung").exists()
    assert done.stdout.splitlines()[-2:] == ["ended", "1.0"], done.stderr
    assert "ray_start_failed" in done.stdout + done.stderr
    assert "sleep: sleeping" in done.stdout + done.stderr
