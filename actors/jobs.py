"""The durable job runner: takes jobs from the ledger, one at a time, until told to stop."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import structlog
from ray.exceptions import RayError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from actors.ingest import IngestRequest, ingest
from actors.stages import SourceSpec
from smartypants import wiring
from smartypants.deleting import purge
from smartypants.errors import SetupError, SmartyPantsError, Unavailable
from smartypants.ledger import jobs
from smartypants.ledger.jobs import Job
from smartypants.progress import Progress
from smartypants.settings import Settings

log = structlog.get_logger(__name__)

POLL_S = 0.5
HEARTBEAT_S = 1.0
SILENT_S = 20.0
"""A job whose runner has said nothing for so long is taken over."""


def run_jobs(settings: Settings, stop: threading.Event) -> None:
    """Work on queued jobs until `stop` is set. Errors end a job, never the runner."""
    engine = wiring.open_ledger(settings)
    runner = uuid.uuid4().hex
    while not stop.is_set():
        try:
            jobs.requeue_silent(engine, older_than_s=SILENT_S)
            job = jobs.claim(engine, runner)
            if job is not None:
                run_job(job, settings, engine)
                continue
        except (SQLAlchemyError, SmartyPantsError) as exc:
            log.error("job_runner_ledger_error", error=str(exc))
        stop.wait(POLL_S)


def run_job(job: Job, settings: Settings, engine: Engine) -> Job:
    """Run a claimed job to its end and note how it ended."""
    log.info("job_started", job_id=job.id, kind=job.kind, collection=job.collection)
    with _Heart(engine, job) as heart:
        error: SmartyPantsError | None = None
        try:
            progress = _run(job, settings, engine, heart).as_dict()
        except SmartyPantsError as exc:
            error = exc
        except RayError as exc:
            error = _from_ray(exc)
        except Exception as exc:
            log.exception("job_failed_unexpectedly", job_id=job.id)
            error = SetupError(f"{type(exc).__name__}: {exc}", "The log has the whole story.")
        if error is not None:
            progress = heart.progress
    jobs.finish(engine, job.id, progress, error)
    log.info("job_finished", job_id=job.id, error=str(error) if error else None, **progress)
    return jobs.get(engine, job.id)


def _run(job: Job, settings: Settings, engine: Engine, heart: _Heart) -> Progress:
    if job.kind != "ingest":
        raise SetupError(f"There are no jobs of the kind {job.kind!r}.")
    source = SourceSpec(job.params["connector"], job.collection, job.params["uri"])
    request = IngestRequest(job.id, source, allow_prune=bool(job.params.get("allow_prune")))
    progress = ingest(request, settings, engine, heart.report)
    purge(engine, job.collection, wiring.open_vectors(settings), wiring.open_blobs(settings))
    return progress


def _from_ray(exc: RayError) -> SmartyPantsError:
    cause: Any = exc
    while cause is not None and not isinstance(cause, SmartyPantsError):
        cause = getattr(cause, "cause", None) or cause.__cause__
    if cause is not None:
        return type(cause)(cause.message, cause.hint)
    return Unavailable(f"The pipeline failed: {str(exc)[:1000]}", "Ingest again to finish it.")


class _Heart:
    """Beats once a second with the latest progress, also while the pipeline computes."""

    def __init__(self, engine: Engine, job: Job) -> None:
        self.progress: dict[str, Any] = dict(job.progress)
        self._engine = engine
        self._job_id = job.id
        self._latest: Progress | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def report(self, progress: Progress) -> None:
        self._latest = progress
        self.progress = progress.as_dict()

    def __enter__(self) -> _Heart:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            if self._latest is not None:
                self.progress = self._latest.as_dict()
            try:
                jobs.heartbeat(self._engine, self._job_id, self.progress)
            except (SQLAlchemyError, SmartyPantsError) as exc:
                log.warning("heartbeat_failed", job_id=self._job_id, error=str(exc))
