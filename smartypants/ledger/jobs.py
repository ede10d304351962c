"""Jobs: what was asked for, who works on it, how far it is."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, insert, select, update

from smartypants.errors import JobNotFound, SmartyPantsError
from smartypants.ledger.database import reading
from smartypants.ledger.schema import jobs


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Job:
    """A row of `jobs`."""

    id: str
    kind: str
    collection: str
    source_id: str | None
    params: Mapping[str, Any]
    state: str
    progress: Mapping[str, Any]
    error_code: str | None
    error: str | None
    runner: str | None
    attempts: int
    created_at: float
    started_at: float | None
    heartbeat_at: float | None
    finished_at: float | None

    @property
    def ended(self) -> bool:
        return self.state in (JobState.SUCCEEDED, JobState.FAILED)


def submit(
    engine: Engine,
    kind: str,
    collection: str,
    params: Mapping[str, Any],
    *,
    job_id: str | None = None,
) -> Job:
    """Queue a job."""
    job_id = job_id or uuid.uuid4().hex
    values = {
        "id": job_id,
        "kind": kind,
        "collection": collection,
        "params": dict(params),
        "state": JobState.QUEUED,
        "progress": {},
        "attempts": 0,
        "created_at": time.time(),
    }
    with engine.begin() as connection:
        connection.execute(insert(jobs).values(values))
    return get(engine, job_id)


def get(engine: Engine, job_id: str) -> Job:
    """Raises `JobNotFound`."""
    with reading(engine) as connection:
        row = connection.execute(select(jobs).where(jobs.c.id == job_id)).first()
    if row is None:
        raise JobNotFound(f"There is no job {job_id!r}.", "`smartypants jobs` lists them.")
    return Job(**row._mapping)


def page(engine: Engine, *, limit: int, before: float | None = None) -> list[Job]:
    """Newest first; `before` is the creation time of the last row of the page before."""
    query = select(jobs).order_by(jobs.c.created_at.desc()).limit(limit)
    if before is not None:
        query = query.where(jobs.c.created_at < before)
    with reading(engine) as connection:
        return [Job(**row._mapping) for row in connection.execute(query)]


def claim(engine: Engine, runner: str, *, job_id: str | None = None) -> Job | None:
    """Take the oldest queued job, or the one named; no two runners ever take the same."""
    queued = jobs.c.state == JobState.QUEUED
    if job_id is not None:
        queued = queued & (jobs.c.id == job_id)
    oldest = select(jobs.c.id).where(queued).order_by(jobs.c.created_at).limit(1).scalar_subquery()
    now = time.time()
    take = (
        update(jobs)
        .where(jobs.c.id == oldest, queued)
        .values(
            state=JobState.RUNNING,
            runner=runner,
            started_at=now,
            heartbeat_at=now,
            attempts=jobs.c.attempts + 1,
        )
        .returning(jobs)
    )
    with engine.begin() as connection:
        row = connection.execute(take).first()
    return Job(**row._mapping) if row is not None else None


def heartbeat(engine: Engine, job_id: str, progress: Mapping[str, Any]) -> None:
    """Say that the job is alive and how far it is."""
    alive = update(jobs).where(jobs.c.id == job_id)
    with engine.begin() as connection:
        connection.execute(alive.values(heartbeat_at=time.time(), progress=dict(progress)))


def finish(
    engine: Engine, job_id: str, progress: Mapping[str, Any], error: SmartyPantsError | None
) -> None:
    """End a job: succeeded without an error, else failed with it."""
    values = {
        "state": JobState.FAILED if error else JobState.SUCCEEDED,
        "error_code": error.code if error else None,
        "error": str(error) if error else None,
        "progress": dict(progress),
        "finished_at": time.time(),
    }
    with engine.begin() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(values))


def requeue_silent(engine: Engine, *, older_than_s: float, max_attempts: int = 5) -> int:
    """Queue again the running jobs whose runner has said nothing for so long; how many.

    One that has outlived `max_attempts` runners fails: it may be what ends them.
    """
    silent = (jobs.c.state == JobState.RUNNING) & (jobs.c.heartbeat_at < time.time() - older_than_s)
    given_up = {
        "state": JobState.FAILED,
        "error_code": "runner_died",
        "error": f"{max_attempts} runners in a row died while they worked on this job. "
        "See their logs, then ingest again to go on.",
        "finished_at": time.time(),
    }
    with engine.begin() as connection:
        connection.execute(
            update(jobs).where(silent, jobs.c.attempts >= max_attempts).values(given_up)
        )
        return connection.execute(
            update(jobs).where(silent).values(state=JobState.QUEUED, runner=None)
        ).rowcount
