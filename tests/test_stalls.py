"""Calls that may never return."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from smartypants.stalls import within


def test_result_and_error_come_through() -> None:
    assert within(5, lambda _: 7) == 7
    with pytest.raises(KeyError, match="x"):
        within(5, lambda _: {}["x"])


def test_call_that_never_returns() -> None:
    with pytest.raises(TimeoutError, match=r"no progress for 0\.1 s"):
        within(0.1, lambda _: threading.Event().wait())


def test_progress_starts_the_time_anew() -> None:
    def call(progress: Callable[[], None]) -> str:
        for _ in range(8):
            time.sleep(0.4)
            progress()
        return "done"

    assert within(2.5, call) == "done"


def test_hung_call_does_not_keep_the_process() -> None:
    code = (
        "import threading\nfrom smartypants.stalls import within\n"
        "try: within(0.1, lambda _: threading.Event().wait())\n"
        "except TimeoutError: print('left')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, "left\n")
