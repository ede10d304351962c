"""Children that never outlive us."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from smartypants.processes import command_that_dies_with_us


def test_runs_the_command() -> None:
    done = subprocess.run(
        command_that_dies_with_us(sys.executable, "-c", "print('ran')"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "ran\n"


def test_child_of_a_background_job_can_be_interrupted() -> None:
    program = (
        "import signal, subprocess; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        f"child = subprocess.Popen({command_that_dies_with_us('sleep', '600')!r}, stdout=-1); "
        "import pathlib, time\n"
        "while b'sleep' not in pathlib.Path(f'/proc/{child.pid}/cmdline').read_bytes()[:6]: "
        "time.sleep(0.02)\n"
        "child.send_signal(signal.SIGINT); print(child.wait(30))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "-2\n"


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")
def test_child_of_a_killed_parent_dies() -> None:
    sleeper = command_that_dies_with_us("sleep", "600")
    program = f"import subprocess; print(subprocess.Popen({sleeper!r}).pid, flush=True); input()"
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    state = Path(f"/proc/{child}/cmdline")
    while b"sleep" not in state.read_bytes().split(b"\x00")[0]:
        time.sleep(0.02)  # the order is in force once the command runs
    parent.kill()
    parent.communicate()
    while _alive(child):
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
