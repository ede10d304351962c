"""Child processes: such as never outlive us, and what a failed start left."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress

import psutil  # type: ignore[import-untyped]

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have the kernel end this process when the thread that started it ends (Linux, prctl(2)).

    Elsewhere it does nothing. The order is kept across `exec`.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def command_that_dies_with_us(*command: str) -> list[str]:
    """A command line that runs `command` and ends with the thread that started it.

    It can be interrupted, also where we can't be: what a shell starts in the background
    ignores SIGINT, and so would its children.
    """
    return [sys.executable, "-m", "smartypants.processes", *command]


def children() -> set[psutil.Process]:
    """Those of this process, and theirs."""
    return set(psutil.Process().children(recursive=True))


def end(found: Iterable[psutil.Process]) -> list[str]:
    """Kill processes; what each was and what it was doing, such as `raylet: sleeping`."""
    said = []
    for process in found:
        with suppress(psutil.NoSuchProcess):  # it was quicker
            said.append(f"{process.name()}: {process.status()}")
            process.kill()
    psutil.wait_procs(found, timeout=10)
    return sorted(said)


if __name__ == "__main__":
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - a list of arguments is what is wanted
