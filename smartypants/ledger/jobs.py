"""Jobs as their users see them: submitted, listed, cancelled, paused, resumed, retried.

    queued ──► running ──► succeeded | failed
      ▲  │        │
      │  └────────┼──────► paused ──► queued
      │           │
      └───────────┘        any of these three ──► cancelled

`leases` has what runners do with them, `waiting` says why one does not move.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, and_, insert, or_, select, update

from smartypants.addresses import redacted
from smartypants.auditing import events
from smartypants.auth.reach import EVERYWHERE, Reach
from smartypants.errors import Conflict, JobNotFound
from smartypants.ledger import audit
from smartypants.ledger.database import lock, reading
from smartypants.ledger.reaching import within
from smartypants.ledger.schema import documents, jobs
from smartypants.types import DocumentState, stable_id

DEFAULT_PRIORITY = 5
MAX_PRIORITY = 9


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class Wanted(StrEnum):
    """What a job's user wants of it; its runner learns of it with the next beat."""

    RUN = "run"
    PAUSE = "pause"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Job:
    """A row of `jobs`."""

    id: str
    kind: str
    collection: str
    exclusive: str
    priority: int
    params: Mapping[str, Any]
    state: str
    wanted: str
    listed: int
    progress: Mapping[str, Any]
    progress_at: float | None
    error_code: str | None
    error: str | None
    submitted_by: str | None
    runner: str | None
    lease_until: float | None
    not_before: float | None
    attempts: int
    created_at: float
    started_at: float | None
    finished_at: float | None

    @property
    def ended(self) -> bool:
        return self.state in ENDED


def submit(
    engine: Engine,
    kind: str,
    collection: str,
    params: Mapping[str, Any],
    *,
    job_id: str | None = None,
    priority: int = DEFAULT_PRIORITY,
    submitted_by: str | None = None,
) -> Job:
    """Queue a job. Of those with the same collection, connector and URI one at a time runs.

    `submitted_by` is a user's id, None for somebody at the machine.
    """
    job_id = job_id or uuid.uuid4().hex
    source = (params.get("connector"), params.get("uri"))
    values = {
        "id": job_id,
        "kind": kind,
        "collection": collection,
        "exclusive": stable_id(collection, *map(str, source)) if any(source) else job_id,
        "priority": min(max(priority, 0), MAX_PRIORITY),
        "params": dict(params),
        "state": JobState.QUEUED,
        "wanted": Wanted.RUN,
        "listed": 0,
        "progress": {},
        "attempts": 0,
        "submitted_by": submitted_by,
        "created_at": time.time(),
    }
    with engine.begin() as connection:
        connection.execute(insert(jobs).values(values))
        uri = redacted(str(params.get("uri", "")))
        made = {"kind": kind, "collection": collection, "uri": uri}
        audit.note(connection, events.changed("job", "Create", job_id, **made))
    return get(engine, job_id)


def get(engine: Engine, job_id: str) -> Job:
    """Raises `JobNotFound`."""
    with reading(engine) as connection:
        return _get(connection, job_id)


def _get(connection: Connection, job_id: str) -> Job:
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).first()
    if row is None:
        raise unknown(job_id)
    return Job(**row._mapping)


def unknown(job_id: str) -> JobNotFound:
    return JobNotFound(f"There is no job {job_id!r}.", "`smartypants jobs` lists them.")


def page(
    engine: Engine,
    *,
    limit: int,
    before: tuple[float, str] | None = None,
    state: str | None = None,
    reach: Reach = EVERYWHERE,
    edits: Reach = EVERYWHERE,
    submitted_by: str | None = None,
) -> list[Job]:
    """Newest first; `before` is (creation time, id) of the last row of the page before.

    Of the collections in reach: those of collections that the caller edits, and its own.
    """
    query = select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
    if before is not None:
        created_at, job_id = before
        same_time = and_(jobs.c.created_at == created_at, jobs.c.id < job_id)
        query = query.where(or_(jobs.c.created_at < created_at, same_time))
    if state is not None:
        query = query.where(jobs.c.state == state)
    theirs = or_(within(jobs.c.collection, edits), jobs.c.submitted_by == submitted_by)
    query = query.where(within(jobs.c.collection, reach), theirs)
    with reading(engine) as connection:
        return [Job(**row._mapping) for row in connection.execute(query)]


def running_since(engine: Engine, collection: str, *, before: float, besides: str) -> list[str]:
    """Jobs on a collection that run and took it up before a time (Unix), besides one."""
    query = select(jobs.c.id).where(
        jobs.c.collection == collection,
        jobs.c.state == JobState.RUNNING,
        jobs.c.started_at < before,
        jobs.c.id != besides,
    )
    with reading(engine) as connection:
        return list(connection.execute(query).scalars())


def cancel(engine: Engine, job_id: str) -> Job:
    """End a job; what it has indexed stays. A running one stops with its runner's next beat.

    Raises `JobNotFound`, `Conflict` if it has ended otherwise.
    """
    return _want(engine, job_id, Wanted.CANCEL, at_rest=JobState.CANCELLED)


def pause(engine: Engine, job_id: str) -> Job:
    """Hold a job until `resume`. Raises `JobNotFound`, `Conflict` if it has ended."""
    return _want(engine, job_id, Wanted.PAUSE, at_rest=JobState.PAUSED)


def resume(engine: Engine, job_id: str) -> Job:
    """Let a paused job go on. Raises `JobNotFound`, `Conflict` if it has ended."""
    return _want(engine, job_id, Wanted.RUN, at_rest=JobState.QUEUED)


def _want(engine: Engine, job_id: str, wanted: Wanted, *, at_rest: JobState) -> Job:
    with engine.begin() as connection:
        connection.execute(
            update(jobs)
            .where(jobs.c.id == job_id, jobs.c.state.not_in(ENDED))
            .values(wanted=wanted)
        )
        # A job that nobody runs has nobody to obey: it changes here and now.
        changes: dict[str, Any] = {"state": at_rest}
        if at_rest in ENDED:
            changes["finished_at"] = time.time()
        connection.execute(
            update(jobs)
            .where(jobs.c.id == job_id, jobs.c.state.in_((JobState.QUEUED, JobState.PAUSED)))
            .values(changes)
        )
        job = _get(connection, job_id)
        audit.note(connection, events.changed("job", "Update", job_id, wanted=str(wanted)))
    if job.ended and job.state != at_rest:
        raise Conflict(
            f"Job {job_id} has ended: it is {job.state}.",
            "`smartypants jobs retry` starts it anew.",
        )
    return job


def retry(engine: Engine, job_id: str) -> Job:
    """Queue a job that has ended once more, and its failed documents, whatever their errors.

    Raises `JobNotFound`, `Conflict` if it has not ended.
    """
    with engine.begin() as connection:
        lock(connection, jobs, [job_id])
        job = _get(connection, job_id)
        if not job.ended:
            raise Conflict(f"Job {job_id} is {job.state}.", "Only a job that has ended is retried.")
        connection.execute(
            update(documents)
            .where(documents.c.job_id == job_id, documents.c.state == DocumentState.FAILED)
            .values(state=DocumentState.PENDING, attempts=0, retry_at=None)
        )
        again = {
            "state": JobState.QUEUED,
            "wanted": Wanted.RUN,
            "listed": 0,
            "progress": {},
            "attempts": 0,
            "not_before": None,
            "error_code": None,
            "error": None,
            "finished_at": None,
        }
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(again))
        audit.note(connection, events.changed("job", "Update", job_id, wanted="retry"))
        return _get(connection, job_id)
