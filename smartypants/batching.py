"""Writes what comes in off the path of whoever brings it: at once where it can, together where
more comes meanwhile."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

import structlog

from smartypants.errors import Overloaded, SmartyPantsError

T = TypeVar("T")

LONGEST_PAUSE_S = 2.0
CLOSING_S = 10.0

log = structlog.get_logger(__name__)


class BatchWriter(Generic[T]):
    """A thread that hands what was put to `write`, in order.

    What comes in while it writes, and in the `pause_s` seconds after, is the next batch; so a
    process that is killed loses what came in within that time, and one that ends by itself
    nothing. While `write` raises an error that may pass, the batch is kept and tried again.

    >>> writer = BatchWriter(write, name="audit")
    >>> written = writer.put(entry)  # done when it is durable, for those who want to wait
    """

    def __init__(
        self,
        write: Callable[[Sequence[T]], None],
        *,
        name: str,
        most: int = 10_000,
        pause_s: float = 0.1,
    ) -> None:
        self._write = write
        self._name = name
        self._most = most
        self._pause_s = pause_s
        self._waiting: list[tuple[T, Future[None]]] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False

    def put(self, item: T) -> Future[None]:
        """Raises `Overloaded` where too much waits: nothing is dropped that was taken."""
        written: Future[None] = Future()
        written.set_running_or_notify_cancel()  # who stops waiting takes nothing back
        with self._changed:
            if len(self._waiting) >= self._most:
                raise Overloaded(f"Too much waits to be written: {self._name}.", "Try again later.")
            self._waiting.append((item, written))
            if self._thread is None:
                self._start()
            self._changed.notify_all()
        return written

    def close(self) -> None:
        """Write what waits, for `CLOSING_S` seconds at most. Idempotent."""
        with self._changed:
            thread, self._closing = self._thread, True
            self._changed.notify_all()
        if thread is not None:
            thread.join(CLOSING_S)
            atexit.unregister(self.close)

    def _start(self) -> None:
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                batch, self._waiting = self._waiting, []
                if not batch:
                    self._thread = None
                    return
            self._deliver(batch)
            with self._changed:
                self._changed.wait_for(lambda: self._closing, self._pause_s)

    def _deliver(self, batch: list[tuple[T, Future[None]]]) -> None:
        pause, ends = self._pause_s, float("inf")
        while True:
            try:
                self._write([item for item, _ in batch])
            except SmartyPantsError as exc:
                if self._closing:
                    ends = min(ends, time.monotonic() + CLOSING_S / 2)
                if exc.retryable and time.monotonic() < ends:
                    log.warning("writing_waits", writer=self._name, error=exc.message)
                    time.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE_S)
                    continue
                self._lost(batch, exc)
            except Exception as exc:  # noqa: BLE001 - the boundary: told to whoever waits, and logged
                self._lost(batch, exc)
            else:
                for _, written in batch:
                    written.set_result(None)
            return

    def _lost(self, batch: list[tuple[T, Future[None]]], exc: Exception) -> None:
        log.error("writing_failed", writer=self._name, items=len(batch), exc_info=exc)
        for _, written in batch:
            written.set_exception(exc)
