"""What a process can't do any more, tried in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from smartypants.confinement import resident_bytes

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


def run(program: str) -> subprocess.CompletedProcess[str]:
    program = "from smartypants.confinement import *\nimport os, socket\n" + program
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_memory() -> None:
    done = run("limit_memory(2**29)\nprint(1, flush=True)\nbytearray(2**30)")
    assert (done.stdout, "MemoryError" in done.stderr) == ("1\n", True)


def test_files(tmp_path: Path) -> None:
    done = run(f"limit_files()\nwith open({str(tmp_path / 'x')!r}, 'w') as f: f.write('words')")
    assert "File too large" in done.stderr
    assert (tmp_path / "x").read_bytes() == b""


def test_open_files() -> None:
    done = run("limit_files()\nkept = [open(os.devnull) for _ in range(100)]")
    assert "Too many open files" in done.stderr


def test_cpu() -> None:
    done = run("allow_cpu(0.1)\nwhile True: pass")
    assert done.returncode < 0


def test_cpu_is_counted_from_each_call() -> None:
    assert run("for _ in range(3): allow_cpu(100)\nprint(1)").stdout == "1\n"


@linux
def test_network() -> None:
    done = run(
        "left = leave_network()\n"
        "try: socket.create_connection(('127.0.0.1', 9), 5)\n"
        "except OSError as exc: print(left, exc.errno)"
    )
    left, errno = done.stdout.split()
    unreachable = "101"
    assert (errno == unreachable) == (left == "True")


@linux
def test_resident_bytes() -> None:
    assert resident_bytes(os.getpid()) > 2**20
    assert resident_bytes(2**22 + 1) == 0
