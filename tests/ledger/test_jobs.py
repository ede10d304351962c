"""The queue of jobs."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, update

from smartypants.errors import JobNotFound, PruneRefused
from smartypants.ledger import jobs
from smartypants.ledger.schema import jobs as table


def silence(engine: Engine, job_id: str, seconds: float) -> None:
    with engine.begin() as connection:
        connection.execute(
            update(table)
            .where(table.c.id == job_id)
            .values(heartbeat_at=table.c.heartbeat_at - seconds)
        )


def test_life_of_a_job(engine: Engine) -> None:
    job = jobs.submit(engine, "ingest", "docs", {"uri": "file:///docs"})
    assert (job.state, job.params, job.attempts) == ("queued", {"uri": "file:///docs"}, 0)
    taken = jobs.claim(engine, "runner")
    assert taken is not None
    assert (taken.id, taken.state, taken.runner, taken.attempts) == (job.id, "running", "runner", 1)
    jobs.heartbeat(engine, job.id, {"done": 3})
    assert jobs.get(engine, job.id).progress == {"done": 3}
    assert not jobs.get(engine, job.id).ended
    jobs.finish(engine, job.id, {"done": 4}, None)
    ended = jobs.get(engine, job.id)
    assert (ended.state, ended.progress, ended.error_code) == ("succeeded", {"done": 4}, None)
    assert ended.ended
    assert ended.finished_at is not None
    assert jobs.claim(engine, "runner") is None


def test_failed_job_keeps_its_error(engine: Engine) -> None:
    job = jobs.submit(engine, "ingest", "docs", {}, job_id="mine")
    jobs.finish(engine, job.id, {}, PruneRefused("Too much.", "Ask."))
    ended = jobs.get(engine, "mine")
    assert (ended.state, ended.error_code, ended.error) == (
        "failed",
        "prune_refused",
        "Too much. Ask.",
    )


def test_missing_job(engine: Engine) -> None:
    with pytest.raises(JobNotFound):
        jobs.get(engine, "nobody")


def test_oldest_first_and_by_name(engine: Engine) -> None:
    ids = [jobs.submit(engine, "ingest", "docs", {}).id for _ in range(3)]
    named = jobs.claim(engine, "r", job_id=ids[2])
    assert named is not None
    assert named.id == ids[2]
    assert jobs.claim(engine, "r", job_id=ids[2]) is None
    left = [jobs.claim(engine, "r"), jobs.claim(engine, "r")]
    assert [job.id for job in left if job] == ids[:2]


def test_no_two_runners_take_the_same(engine: Engine) -> None:
    ids = {jobs.submit(engine, "ingest", "docs", {}).id for _ in range(40)}

    def take_all(runner: int) -> list[str]:
        taken = []
        while job := jobs.claim(engine, str(runner)):
            taken.append(job.id)
        return taken

    with ThreadPoolExecutor(8) as pool:
        taken = Counter(job_id for found in pool.map(take_all, range(8)) for job_id in found)
    assert set(taken) == ids
    assert set(taken.values()) == {1}


def test_silent_jobs_are_queued_again(engine: Engine) -> None:
    silent, alive, done, waiting = (jobs.submit(engine, "ingest", "docs", {}).id for _ in range(4))
    for job_id in (silent, alive, done):
        jobs.claim(engine, "r", job_id=job_id)
        silence(engine, job_id, 100)
    jobs.heartbeat(engine, alive, {})
    jobs.finish(engine, done, {}, None)
    assert jobs.requeue_silent(engine, older_than_s=60) == 1
    states = [jobs.get(engine, job_id).state for job_id in (silent, alive, done, waiting)]
    assert states == ["queued", "running", "succeeded", "queued"]
    assert jobs.requeue_silent(engine, older_than_s=60) == 0
    again = jobs.claim(engine, "other", job_id=silent)
    assert again is not None
    assert (again.attempts, again.runner) == (2, "other")


def test_newest_first_page_by_page(engine: Engine) -> None:
    ids = [jobs.submit(engine, "ingest", "docs", {}).id for _ in range(5)]
    first = jobs.page(engine, limit=3)
    second = jobs.page(engine, limit=3, before=first[-1].created_at)
    assert [job.id for job in first + second] == ids[::-1]


def test_job_that_outlives_its_runners_is_given_up(engine: Engine) -> None:
    job = jobs.submit(engine, "ingest", "docs", {})
    for _ in range(3):
        assert jobs.claim(engine, "runner") is not None
        silence(engine, job.id, 60)
        jobs.requeue_silent(engine, older_than_s=30, max_attempts=3)
    ended = jobs.get(engine, job.id)
    assert (ended.state, ended.error_code) == ("failed", "runner_died")
    assert jobs.claim(engine, "runner") is None
