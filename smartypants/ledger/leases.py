"""What runners do with jobs: take one on a lease, renew it, let go of it.

A lease is a time. A runner renews its leases every second; one that has not by then is taken
for dead, and its jobs are queued again. Whatever a runner writes about a job names the runner,
so one that was taken for dead by mistake can't overwrite what the next one did.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, case, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from smartypants.errors import SmartyPantsError
from smartypants.ledger.database import reading, upsert
from smartypants.ledger.jobs import Job, JobState, Wanted
from smartypants.ledger.schema import jobs, runners

FORGET_RUNNERS_S = 3600.0


def claim(engine: Engine, runner: str, *, lease_s: float, only: str | None = None) -> Job | None:
    """Take the job that is due, or the one named; no two runners ever take the same.

    The highest priority first, and of equal ones the one that has waited longest since it last
    ran. A job waits while another on the same source runs.
    """
    now = time.time()
    other = jobs.alias()
    busy = (
        select(other.c.id)
        .where(other.c.exclusive == jobs.c.exclusive, other.c.state == JobState.RUNNING)
        .exists()
    )
    due = and_(
        jobs.c.state == JobState.QUEUED,
        or_(jobs.c.not_before.is_(None), jobs.c.not_before <= now),
        ~busy,
    )
    if only is not None:
        due = and_(due, jobs.c.id == only)
    first = (
        select(jobs.c.id)
        .where(due)
        .order_by(jobs.c.priority.desc(), func.coalesce(jobs.c.started_at, 0.0), jobs.c.created_at)
        .limit(1)
        .with_for_update(skip_locked=True)  # PostgreSQL; SQLite has one writer
        .scalar_subquery()
    )
    take = (
        update(jobs)
        .where(jobs.c.id == first, jobs.c.state == JobState.QUEUED)
        .values(
            state=JobState.RUNNING,
            runner=runner,
            started_at=now,
            lease_until=now + lease_s,
            not_before=None,
            attempts=jobs.c.attempts + 1,
        )
        .returning(jobs)
    )
    try:
        with engine.begin() as connection:
            row = connection.execute(take).first()
    except IntegrityError:
        return None  # another runner took a job on the same source at this moment
    return Job(**row._mapping) if row is not None else None


def beat(
    engine: Engine,
    runner: str,
    progress: Mapping[str, Mapping[str, Any]],
    *,
    lease_s: float,
    places: int,
) -> dict[str, Wanted]:
    """Renew the leases of this runner's jobs and note how far they are.

    Returns what the user of each wants; one that is missing is no longer this runner's.
    """
    now = time.time()
    with engine.begin() as connection:
        seen = [{"id": runner, "places": places, "seen_at": now}]
        connection.execute(upsert(engine, runners, seen, "places", "seen_at"))
        for job_id, done in sorted(progress.items()):  # one order, so no deadlock
            connection.execute(
                update(jobs)
                .where(_mine(job_id, runner))
                .values(lease_until=now + lease_s, progress=dict(done))
            )
        mine = connection.execute(
            select(jobs.c.id, jobs.c.wanted).where(
                jobs.c.runner == runner, jobs.c.state == JobState.RUNNING
            )
        ).all()
    return {job_id: Wanted(wanted) for job_id, wanted in mine}


def advanced(engine: Engine, job_id: str, runner: str) -> None:
    """Note that documents were finished: the attempts before are forgotten."""
    with engine.begin() as connection:
        connection.execute(
            update(jobs).where(_mine(job_id, runner)).values(attempts=1, progress_at=time.time())
        )


def listed(engine: Engine, job_id: str, runner: str) -> None:
    """Note that the source's listing is complete: whoever goes on need not list it again."""
    with engine.begin() as connection:
        connection.execute(update(jobs).where(_mine(job_id, runner)).values(listed=1))


def finish(
    engine: Engine,
    job_id: str,
    runner: str,
    progress: Mapping[str, Any],
    error: SmartyPantsError | None,
) -> None:
    """End a job: succeeded without an error, else failed with it."""
    _let_go(
        engine,
        _mine(job_id, runner),
        state=JobState.FAILED if error else JobState.SUCCEEDED,
        error_code=error.code if error else None,
        error=str(error) if error else None,
        progress=dict(progress),
        finished_at=time.time(),
    )


def obey(
    engine: Engine, job_id: str, runner: str, progress: Mapping[str, Any], wanted: Wanted
) -> None:
    """Let go of a job that its user wants cancelled or paused; it was no attempt."""
    cancelled = wanted == Wanted.CANCEL
    _let_go(
        engine,
        _mine(job_id, runner),
        state=JobState.CANCELLED if cancelled else JobState.PAUSED,
        progress=dict(progress),
        attempts=jobs.c.attempts - 1,
        finished_at=time.time() if cancelled else None,
    )


def postpone(
    engine: Engine,
    job_id: str,
    runner: str,
    progress: Mapping[str, Any],
    *,
    until: float | None = None,
    error: SmartyPantsError | None = None,
    attempted: bool = True,
) -> None:
    """Queue a job again: at once, or not before the Unix time `until`.

    One that its user wanted cancelled or paused at this moment is that instead. `attempted` is
    false where that says nothing against the job: its turn was over, or the runner stops in
    order.
    """
    _let_go(
        engine,
        _mine(job_id, runner),
        state=case(
            (jobs.c.wanted == Wanted.CANCEL, JobState.CANCELLED),
            (jobs.c.wanted == Wanted.PAUSE, JobState.PAUSED),
            else_=JobState.QUEUED,
        ),
        finished_at=case((jobs.c.wanted == Wanted.CANCEL, time.time()), else_=None),
        not_before=until,
        error_code=error.code if error else None,
        error=str(error) if error else None,
        progress=dict(progress),
        attempts=jobs.c.attempts if attempted else jobs.c.attempts - 1,
    )


def take_back(engine: Engine, *, max_attempts: int) -> int:
    """Queue again the jobs whose leases ran out; how many.

    One that has outlived `max_attempts` runners without progress fails: it may be what ends
    them. One that its user wanted cancelled or paused is that now.
    """
    now = time.time()
    lost = and_(jobs.c.state == JobState.RUNNING, jobs.c.lease_until < now)
    given_up = (
        f"{max_attempts} runners in a row died while they worked on this job, and it got no "
        "further. See their logs, then `smartypants jobs retry` it."
    )
    _let_go(engine, and_(lost, jobs.c.wanted == Wanted.CANCEL), state=JobState.CANCELLED,
            finished_at=now)  # fmt: skip
    _let_go(engine, and_(lost, jobs.c.wanted == Wanted.PAUSE), state=JobState.PAUSED)
    _let_go(engine, and_(lost, jobs.c.attempts >= max_attempts), state=JobState.FAILED,
            error_code="runner_died", error=given_up, finished_at=now)  # fmt: skip
    return _let_go(engine, lost, state=JobState.QUEUED)


def _mine(job_id: str, runner: str) -> ColumnElement[bool]:
    return and_(jobs.c.id == job_id, jobs.c.runner == runner, jobs.c.state == JobState.RUNNING)


def _let_go(engine: Engine, which: ColumnElement[bool], **values: Any) -> int:
    with engine.begin() as connection:
        change = update(jobs).where(which).values(runner=None, lease_until=None, **values)
        return connection.execute(change).rowcount


def waiting(engine: Engine) -> bool:
    """Whether a job is due that nobody runs."""
    due = or_(jobs.c.not_before.is_(None), jobs.c.not_before <= time.time())
    query = select(jobs.c.id).where(jobs.c.state == JobState.QUEUED, due).limit(1)
    with reading(engine) as connection:
        return connection.execute(query).first() is not None


def leave(engine: Engine, runner: str) -> None:
    """Take a runner off the list, and those that have not been seen for an hour."""
    old = or_(runners.c.id == runner, runners.c.seen_at < time.time() - FORGET_RUNNERS_S)
    with engine.begin() as connection:
        connection.execute(delete(runners).where(old))


def alive(engine: Engine, *, within_s: float) -> tuple[int, float | None]:
    """Places of the runners seen within so many seconds, and when any was seen last."""
    fresh = runners.c.seen_at >= time.time() - within_s
    query = select(
        func.coalesce(func.sum(case((fresh, runners.c.places), else_=0)), 0),
        func.max(runners.c.seen_at),
    )
    with reading(engine) as connection:
        places, seen_at = connection.execute(query).one()
    return int(places), seen_at
