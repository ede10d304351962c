"""One warm pipeline that all running jobs of a runner share; it is started again when it dies."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import ray
import structlog
from ray.exceptions import RayError

from actors.feed import Feed
from actors.flights import Finished, Flights
from actors.pipeline import IngestPipeline
from actors.work import Part, Work
from smartypants.errors import SmartyPantsError, Unavailable
from smartypants.ledger.commits import Failed
from smartypants.settings import Settings

log = structlog.get_logger(__name__)

TICK_S = 0.2
MAX_DEATHS = 3
"""Deaths of the pipeline in a row without any receipt, and deaths that one document may see."""


class SharedPipeline:
    """Runs the work of jobs through one pipeline, fairly, with a bound on what is on its way.

    One thread does everything: it feeds while there is room, and hands out receipts.

    >>> with SharedPipeline(settings) as pipeline:
    ...     for finished in pipeline.run(works, weight=1.0): ...
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._feed = Feed()
        self._flights = Flights()
        self._numbers = itertools.count(1)
        self._inboxes: dict[str, queue.Queue[list[Finished] | SmartyPantsError]] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._used_at = time.monotonic()
        self._actor: Any = None
        self._receipts: Any = None
        self._barren_deaths = 0
        self._thread = threading.Thread(target=self._drive, name="pipeline-feed", daemon=True)

    def __enter__(self) -> SharedPipeline:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()
        self._stop()

    def warm_up(self) -> None:
        """Start the actors, so that the first documents don't wait for them."""
        self._used_at = time.monotonic()

    def run(self, works: Iterator[Work], *, weight: float) -> Iterator[list[Finished]]:
        """Do a job's work; documents come as they are finished, in no order.

        What an earlier run of the same job left on its way doesn't count here. Yields at least
        twice a second, also nothing, so that the caller can look around. Raises what no pipeline
        could get over. Closing it drops what is on its way.
        """
        inbox: queue.Queue[list[Finished] | SmartyPantsError] = queue.Queue()
        run = f"run-{next(self._numbers)}"
        left = _Counted(works, run)
        with self._lock:
            self._inboxes[run] = inbox
            self._feed.add(run, left, weight=weight)
        done = 0
        try:
            while not (left.exhausted and done == left.taken):
                try:
                    item = inbox.get(timeout=2 * TICK_S)
                except queue.Empty:
                    yield []
                    continue
                if isinstance(item, SmartyPantsError):
                    raise item
                done += len(item)
                yield item
            if left.error is not None:
                raise left.error
        finally:
            with self._lock:
                self._inboxes.pop(run, None)
                self._feed.discard(run)

    def _drive(self) -> None:
        while not self._closing.is_set():
            try:
                self._step()
            except SmartyPantsError as exc:
                self._abandon(exc)
            except RayError as exc:
                self._died(exc)
            except Exception as exc:  # noqa: BLE001 - of a stage, or a job's own iterator
                self._died(exc)

    def _step(self) -> None:
        wanted = self._inboxes or time.monotonic() - self._used_at < self._settings.ingest.idle_s
        if self._inboxes:
            self._used_at = time.monotonic()
        if not wanted:
            self._stop()
            self._flights.clear()
            self._closing.wait(TICK_S)
            return
        if self._actor is None:
            self._start()
        self._fill()
        ready, _ = ray.wait([self._receipts], timeout=TICK_S)
        if ready:
            self._hand_out(ray.get(next(self._receipts)))

    def _start(self) -> None:
        self._actor = ray.remote(num_cpus=0)(IngestPipeline).remote(self._settings)
        self._receipts = self._actor.receipts.options(num_returns="streaming").remote()
        log.info("pipeline_started")

    def _stop(self) -> None:
        if self._actor is not None:
            ray.kill(self._actor)
            log.info("pipeline_stopped")
        self._actor = self._receipts = None

    def _fill(self) -> None:
        """Feed while there is room, in batches of documents that are read together."""
        chosen = self._settings.ingest
        room = chosen.in_flight - len(self._flights)
        batch: list[Work] = []
        size = 0
        while room > 0 and self._flights.bytes < chosen.in_flight_bytes:
            with self._lock:
                work = self._feed.next()
            if work is None:
                break
            room -= 1
            work = self._flights.take_off(work)
            batch.append(work)
            size += work.ref.size
            if len(batch) == chosen.read_batch or size > chosen.read_batch_bytes:
                self._actor.put.remote(batch)
                batch, size = [], 0
        if batch:
            self._actor.put.remote(batch)

    def _hand_out(self, parts: list[Part]) -> None:
        self._barren_deaths = 0
        finished: dict[str, list[Finished]] = {}
        for part in parts:
            done = self._flights.arrived(part)
            if done is not None:
                finished.setdefault(done.work.run, []).append(done)
        with self._lock:
            for run, documents in finished.items():
                if run in self._inboxes:
                    self._inboxes[run].put(documents)

    def _died(self, exc: Exception) -> None:
        """Begin again what was on its way; give up on what has seen too many deaths."""
        cause = our_error(exc)
        if isinstance(cause, SmartyPantsError):
            self._abandon(cause)
            return
        self._barren_deaths += 1
        log.warning("pipeline_died", error=str(exc)[:500], in_flight=len(self._flights))
        self._stop()
        if self._barren_deaths >= MAX_DEATHS:
            why = f"The pipeline died {MAX_DEATHS} times in a row: {str(exc)[:500]}"
            self._abandon(Unavailable(why, "The logs of Ray have the reason."))
            return
        for work in self._flights.clear():
            work = replace(work, fresh=False, deaths=work.deaths + 1)
            if work.deaths >= MAX_DEATHS:
                self._give_up(work)
                continue
            with self._lock:
                if work.run in self._inboxes:
                    self._feed.put_back([work])

    def _give_up(self, work: Work) -> None:
        message = f"The pipeline died {MAX_DEATHS} times while {work.ref.name} was in it."
        ref = work.ref
        failed = Failed(ref.document_id, "pipeline_died", message, retryable=False, etag=ref.etag)
        with self._lock:
            if work.run in self._inboxes:
                self._inboxes[work.run].put([Finished(work, failed=failed)])

    def _abandon(self, error: SmartyPantsError) -> None:
        """End the pipeline, and every job's run of it, with an error."""
        log.warning("pipeline_abandoned", error=str(error))
        self._stop()
        self._barren_deaths = 0
        self._flights.clear()
        self._used_at = 0.0
        with self._lock:
            for run, inbox in self._inboxes.items():
                self._feed.discard(run)
                inbox.put(error)
            self._inboxes = {}


class _Counted:
    """A run's work, marked as such: counts what was taken, and knows when it has ended."""

    def __init__(self, works: Iterator[Work], run: str) -> None:
        self._works = works
        self._run = run
        self.taken = 0
        self.exhausted = False
        self.error: Exception | None = None

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> Work:
        try:
            work = next(self._works)
        except StopIteration:
            self.exhausted = True
            raise
        except Exception as exc:
            self.exhausted, self.error = True, exc
            raise StopIteration from exc
        self.taken += 1
        return replace(work, run=self._run)


def our_error(exc: BaseException) -> SmartyPantsError | None:
    """The error of ours that Ray wrapped, made anew: the original drags its traceback along."""
    cause: Any = exc
    while cause is not None and not isinstance(cause, SmartyPantsError):
        cause = getattr(cause, "cause", None) or cause.__cause__
    return None if cause is None else type(cause)(cause.message, cause.hint)
