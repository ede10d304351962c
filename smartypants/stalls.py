"""A limit on calls that may never return: some storage clients have no time limit of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, call: Callable[[Callable[[], None]], T]) -> T:
    """Run `call(progress)` in a thread; `progress()` starts the time anew.

    Raises `TimeoutError` after so many seconds without progress. The thread can't be ended: it
    is left behind, and does not keep the process from ending.
    """
    results: list[T] = []
    errors: list[BaseException] = []
    ended = threading.Event()
    last = time.monotonic()

    def progress() -> None:
        nonlocal last
        last = time.monotonic()

    def run() -> None:
        try:
            results.append(call(progress))
        except BaseException as exc:  # noqa: BLE001 - raised where it is waited for
            errors.append(exc)
        ended.set()

    threading.Thread(target=run, daemon=True, name="storage").start()
    while not ended.wait(max(last + seconds - time.monotonic(), 0)):
        if time.monotonic() - last >= seconds:
            raise TimeoutError(f"no progress for {seconds:g} s")
    if errors:
        raise errors[0]
    return results[0]
