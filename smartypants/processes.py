"""Child processes that never outlive us."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

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


if __name__ == "__main__":
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - a list of arguments is what is wanted
