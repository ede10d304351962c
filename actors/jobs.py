"""The durable job runner: takes jobs from the ledger on leases, several at once."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from ray.exceptions import RayError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from actors.ingest import IngestRequest, ingest
from actors.reindex import ReindexRequest, reindex
from actors.sharing import SharedPipeline, our_error
from smartypants import reindexing, wiring
from smartypants.auditing.source import Source, acting
from smartypants.chatting.expiring import Expiry
from smartypants.deleting import purge
from smartypants.errors import SetupError, SmartyPantsError, Unavailable
from smartypants.ledger import jobs, leases
from smartypants.ledger.jobs import Job, Wanted
from smartypants.options.ingestion import JobSettings
from smartypants.progress import Progress
from smartypants.settings import Settings

log = structlog.get_logger(__name__)

POLL_S = 0.5


def run_jobs(
    settings: Settings,
    stop: threading.Event,
    *,
    only: tuple[str, ...] | None = None,
) -> None:
    """Work on queued jobs, or those named, until `stop` is set (or those have ended), and remove
    conversations that have expired.

    Errors end a job, never the runner. What it was at when it stops is queued again.
    """
    engine = wiring.open_ledger(settings)
    expiry = Expiry(engine, settings.chat)
    runner = f"{socket.gethostname()[:30]}-{os.getpid()}-{uuid.uuid4().hex[:12]}"
    with SharedPipeline(settings) as pipeline:
        running: dict[str, RunningJob] = {}
        while not stop.is_set() or running:
            try:
                _turn(settings.jobs, engine, runner, running, stop, only, lambda job: RunningJob(
                    job, runner, settings, engine, pipeline
                ))  # fmt: skip
                expiry.work()
            except (SQLAlchemyError, SmartyPantsError) as exc:
                log.error("job_runner_ledger_error", error=str(exc))
            if only is not None and not running and _ended(engine, only):
                break
            stop.wait(POLL_S) if not stop.is_set() else time.sleep(POLL_S / 5)
    leases.leave(engine, runner)


def _turn(
    chosen: JobSettings,
    engine: Engine,
    runner: str,
    running: dict[str, RunningJob],
    stop: threading.Event,
    only: tuple[str, ...] | None,
    start: Callable[[Job], RunningJob],
) -> None:
    """Renew leases, pass on what users want, take over from the dead, take new jobs."""
    for job_id in [job_id for job_id, at_work in running.items() if at_work.ended]:
        del running[job_id]
    progress = {job_id: at_work.progress.as_dict() for job_id, at_work in running.items()}
    wanted = leases.beat(engine, runner, progress, lease_s=chosen.lease_s, places=chosen.places)
    for job_id, at_work in running.items():
        at_work.told(wanted.get(job_id))
    if stop.is_set():
        for at_work in running.values():
            at_work.stop("the runner stops")
        return
    leases.take_back(engine, max_attempts=chosen.max_attempts)
    if len(running) >= chosen.places:
        longest = max(running.values(), key=lambda job: job.seconds)
        if longest.seconds > chosen.turn_s and only is None and leases.waiting(engine):
            longest.stop("its turn is over")
    for wish in only or (None,):
        while len(running) < chosen.places:
            job = leases.claim(engine, runner, lease_s=chosen.lease_s, only=wish)
            if job is None:
                break
            running[job.id] = start(job)


def _ended(engine: Engine, only: tuple[str, ...]) -> bool:
    return all(jobs.get(engine, job_id).ended for job_id in only)


class JobStopped(Exception):
    """Raised inside a job's thread when it is to let go of the job."""


class RunningJob:
    """A claimed job in a thread of its own."""

    def __init__(
        self, job: Job, runner: str, settings: Settings, engine: Engine, pipeline: SharedPipeline
    ) -> None:
        self.progress = Progress.resumed(job.progress)
        self._job = job
        self._runner = runner
        self._settings = settings
        self._engine = engine
        self._pipeline = pipeline
        self._since = time.monotonic()
        self._wanted = Wanted.RUN
        self._lost = False
        self._stop_because: str | None = None
        self._thread = threading.Thread(target=self._run, name=f"job-{job.id[:8]}", daemon=True)
        self._thread.start()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._since

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def told(self, wanted: Wanted | None) -> None:
        """What the job's user wants; None: the job is no longer ours."""
        self._lost = wanted is None
        self._wanted = wanted or Wanted.RUN

    def stop(self, why: str) -> None:
        self._stop_because = why

    def report(self, _: Progress) -> None:
        if self._lost or self._wanted != Wanted.RUN or self._stop_because is not None:
            raise JobStopped

    def advanced(self) -> None:
        leases.advanced(self._engine, self._job.id, self._runner)

    def listed(self) -> None:
        leases.listed(self._engine, self._job.id, self._runner)

    def _run(self) -> None:
        job, engine = self._job, self._engine
        log.info("job_started", job_id=job.id, kind=job.kind, collection=job.collection)
        outcome: Any = None
        source = Source("job", job.kind, job.submitted_by or "", operation=f"job {job.id}")
        try:
            with acting(source):
                due = self._work()
        except JobStopped:
            outcome = "stopped"
            self._let_go()
        except Exception as exc:  # noqa: BLE001 - the boundary: recorded as the job's error
            outcome = self._failed(exc)
        else:
            done = self.progress.as_dict()
            if due is None:
                leases.finish(engine, job.id, self._runner, done, None)
            else:
                leases.postpone(engine, job.id, self._runner, done, until=due, attempted=False)
        log.info(
            "job_let_go", job_id=job.id, outcome=str(outcome or "done"), **self.progress.counts()
        )

    def _work(self) -> float | None:
        job = self._job
        if job.kind == reindexing.KIND:
            reindex(
                ReindexRequest.of(job),
                self._settings,
                self._engine,
                self._pipeline,
                self,
                self.progress,
            )
            return None
        if job.kind != "ingest":
            raise SetupError(f"There are no jobs of the kind {job.kind!r}.")
        due = ingest(
            IngestRequest.of(job),
            self._settings,
            self._engine,
            self._pipeline,
            self,
            self.progress,
        )
        vectors = wiring.open_vectors(self._settings)
        purge(self._engine, job.collection, vectors, wiring.open_blobs(self._settings))
        return due

    def _let_go(self) -> None:
        done = self.progress.as_dict()
        if self._lost:
            return
        if self._wanted == Wanted.RUN:
            leases.postpone(self._engine, self._job.id, self._runner, done, attempted=False)
        else:
            leases.obey(self._engine, self._job.id, self._runner, done, self._wanted)

    def _failed(self, exc: Exception) -> SmartyPantsError:
        """Queue the job again if the error may pass and attempts are left, else end it."""
        error = _job_error(exc)
        if not isinstance(exc, SmartyPantsError | RayError | SQLAlchemyError):
            log.exception("job_failed_unexpectedly", job_id=self._job.id)
        chosen = self._settings.jobs
        attempts = 1 if self.progress.advanced else self._job.attempts
        done = self.progress.as_dict()
        if error.retryable and attempts < chosen.max_attempts:
            pause = min(chosen.backoff_s * 2 ** (attempts - 1), chosen.max_backoff_s)
            leases.postpone(
                self._engine, self._job.id, self._runner, done,
                until=time.time() + pause, error=error,
            )  # fmt: skip
        else:
            leases.finish(self._engine, self._job.id, self._runner, done, error)
        return error


def _job_error(exc: Exception) -> SmartyPantsError:
    ours = our_error(exc)
    if ours is not None:
        return ours
    if isinstance(exc, RayError):
        return Unavailable(f"The pipeline failed: {str(exc)[:1000]}")
    if isinstance(exc, SQLAlchemyError):
        return Unavailable(f"The ledger failed: {str(exc)[:1000]}")
    return SetupError(f"{type(exc).__name__}: {exc}", "The log has the whole story.")
