"""Why a job does not move, in a sentence: no job waits without one."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from sqlalchemy import Engine, select

from smartypants.ledger import leases
from smartypants.ledger.database import reading
from smartypants.ledger.jobs import Job, JobState, Wanted
from smartypants.ledger.schema import jobs

RUNNER_SILENT_S = 15.0
NO_PROGRESS_S = 60.0


def reason(engine: Engine, job: Job) -> str | None:
    """What a job that has not ended waits for; None for one that gets on."""
    if job.state == JobState.QUEUED:
        return _queued(engine, job)
    if job.state == JobState.PAUSED:
        return "It is paused: `smartypants jobs resume` lets it go on."
    if job.state == JobState.RUNNING:
        return _running(job)
    return None


def _queued(engine: Engine, job: Job) -> str:
    now = time.time()
    if job.not_before is not None and job.not_before > now:
        at = datetime.fromtimestamp(job.not_before, UTC).strftime("%H:%M:%S UTC")
        why = job.error or "some documents are tried again"
        return f"It goes on at {at} (attempt {job.attempts + 1}): {why}"
    query = select(jobs.c.id, jobs.c.exclusive).where(jobs.c.state == JobState.RUNNING)
    with reading(engine) as connection:
        running = connection.execute(query).all()
    other = next((row.id for row in running if row.exclusive == job.exclusive), None)
    if other is not None:
        return f"Job {other} works on the same source; this one follows it."
    places, seen_at = leases.alive(engine, within_s=RUNNER_SILENT_S)
    if seen_at is None:
        return "No job runner has started yet: `smartypants up` starts one."
    if places == 0:
        return (
            f"No job runner is alive; the last was seen {now - seen_at:.0f} s ago. "
            "It is started again by itself while the system is up; else `smartypants up`."
        )
    if len(running) < places:
        return "A job runner takes it in a moment."
    return f"All {places} places are taken by other jobs; it gets one within a turn of theirs."


def _running(job: Job) -> str | None:
    now = time.time()
    if job.wanted == Wanted.CANCEL:
        return "It is being cancelled."
    if job.wanted == Wanted.PAUSE:
        return "It is being paused."
    if job.lease_until is not None and job.lease_until < now:
        return "Its runner died; another takes it over in a moment."
    since = max(job.started_at or now, job.progress_at or 0.0)
    if now - since > NO_PROGRESS_S:
        phase = job.progress.get("phase", "starting")
        return f"It is {phase}; no document was finished for {now - since:.0f} s."
    return None
