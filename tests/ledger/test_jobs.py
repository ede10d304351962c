"""Jobs as their users see them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, update

from smartypants.errors import Conflict, JobNotFound, PruneRefused
from smartypants.ledger import jobs, leases
from smartypants.ledger.jobs import Job, JobState, Wanted
from smartypants.ledger.schema import jobs as table
from smartypants.types import DocumentState
from tests.ledger.conftest import Source

Action = Callable[[Engine, str], Job]


def job_in(engine: Engine, state: str) -> str:
    """A job that came to a state as jobs do."""
    job_id = jobs.submit(engine, "ingest", "docs", {}).id
    if state == JobState.QUEUED:
        return job_id
    assert leases.claim(engine, "r", lease_s=60, only=job_id)
    if state == JobState.SUCCEEDED:
        leases.finish(engine, job_id, "r", {"done": 4}, None)
    elif state == JobState.FAILED:
        leases.finish(engine, job_id, "r", {"done": 4}, PruneRefused("Too much.", "Ask."))
    elif state in (JobState.PAUSED, JobState.CANCELLED):
        wanted = Wanted.PAUSE if state == JobState.PAUSED else Wanted.CANCEL
        leases.obey(engine, job_id, "r", {"done": 4}, wanted)
    assert jobs.get(engine, job_id).state == state
    return job_id


def test_submitted(engine: Engine) -> None:
    job = jobs.submit(engine, "ingest", "docs", {"uri": "file:///docs"}, job_id="mine")
    assert (job.id, job.kind, job.collection, job.state) == ("mine", "ingest", "docs", "queued")
    assert (job.params, job.attempts, job.progress) == ({"uri": "file:///docs"}, 0, {})
    assert job.priority == jobs.DEFAULT_PRIORITY
    assert not job.ended
    assert jobs.get(engine, "mine") == job


@pytest.mark.parametrize(("asked", "given"), [(-1, 0), (0, 0), (7, 7), (9, 9), (99, 9)])
def test_priorities_stay_within_bounds(engine: Engine, asked: int, given: int) -> None:
    assert jobs.submit(engine, "ingest", "docs", {}, priority=asked).priority == given


def test_what_excludes_each_other(engine: Engine) -> None:
    def exclusive(collection: str, **params: str) -> str:
        return jobs.submit(engine, "ingest", collection, params).exclusive

    docs = exclusive("docs", connector="filesystem", uri="/docs")
    assert docs == exclusive("docs", connector="filesystem", uri="/docs")
    others = [
        exclusive("docs", connector="filesystem", uri="/other"),
        exclusive("docs", connector="uploads", uri="/docs"),
        exclusive("other", connector="filesystem", uri="/docs"),
        exclusive("docs"),
        exclusive("docs"),
    ]
    assert len({docs, *others}) == 6


def test_missing_job(engine: Engine) -> None:
    for act in (jobs.get, jobs.cancel, jobs.pause, jobs.resume, jobs.retry):
        with pytest.raises(JobNotFound, match="nobody"):
            act(engine, "nobody")


def test_newest_first_page_by_page_also_of_one_moment(engine: Engine) -> None:
    for _ in range(7):
        jobs.submit(engine, "ingest", "docs", {})
    with engine.begin() as connection:
        connection.execute(update(table).values(created_at=1_700_000_000.123456))
    late = jobs.submit(engine, "ingest", "docs", {}).id
    found: list[Job] = []
    while page := jobs.page(
        engine, limit=3, before=(found[-1].created_at, found[-1].id) if found else None
    ):
        assert len(page) <= 3
        found += page
    assert len({job.id for job in found}) == len(found) == 8
    assert found[0].id == late
    assert [job.id for job in found[1:]] == sorted((job.id for job in found[1:]), reverse=True)


def test_pages_of_a_state(engine: Engine) -> None:
    ids = {state: job_in(engine, state) for state in JobState}
    for state, job_id in ids.items():
        assert [job.id for job in jobs.page(engine, limit=9, state=state)] == [job_id]
    assert len(jobs.page(engine, limit=9)) == len(JobState)


@pytest.mark.parametrize(
    ("act", "before", "after", "wanted"),
    [
        (jobs.cancel, "queued", "cancelled", "cancel"),
        (jobs.cancel, "running", "running", "cancel"),
        (jobs.cancel, "paused", "cancelled", "cancel"),
        (jobs.cancel, "cancelled", "cancelled", "run"),
        (jobs.pause, "queued", "paused", "pause"),
        (jobs.pause, "running", "running", "pause"),
        (jobs.pause, "paused", "paused", "pause"),
        (jobs.resume, "queued", "queued", "run"),
        (jobs.resume, "running", "running", "run"),
        (jobs.resume, "paused", "queued", "run"),
        (jobs.retry, "succeeded", "queued", "run"),
        (jobs.retry, "failed", "queued", "run"),
        (jobs.retry, "cancelled", "queued", "run"),
    ],
)
def test_actions(engine: Engine, act: Action, before: str, after: str, wanted: str) -> None:
    job_id = job_in(engine, before)
    job = act(engine, job_id)
    assert (job.state, job.wanted) == (after, wanted)
    assert job == jobs.get(engine, job_id)
    assert (job.finished_at is not None) == job.ended


@pytest.mark.parametrize(
    ("act", "state"),
    [
        (jobs.cancel, "succeeded"),
        (jobs.cancel, "failed"),
        *((act, state) for act in (jobs.pause, jobs.resume) for state in jobs.ENDED),
        *((jobs.retry, state) for state in ("queued", "running", "paused")),
    ],
)
def test_actions_that_are_refused(engine: Engine, act: Action, state: str) -> None:
    job_id = job_in(engine, state)
    before = jobs.get(engine, job_id)
    with pytest.raises(Conflict, match=state):
        act(engine, job_id)
    assert jobs.get(engine, job_id) == before


def test_cancel_can_be_taken_back_while_the_job_runs(engine: Engine) -> None:
    job_id = job_in(engine, "running")
    jobs.cancel(engine, job_id)
    jobs.resume(engine, job_id)
    assert leases.beat(engine, "r", {job_id: {}}, lease_s=60, places=1) == {job_id: Wanted.RUN}


def test_retry_starts_anew(engine: Engine) -> None:
    job_id = job_in(engine, "failed")
    job = jobs.retry(engine, job_id)
    assert (job.attempts, job.listed, job.progress) == (0, 0, {})
    assert (job.error_code, job.error, job.finished_at, job.not_before) == (None,) * 4
    again = leases.claim(engine, "r", lease_s=60)
    assert again is not None
    assert (again.id, again.attempts) == (job_id, 1)


def test_retry_makes_the_failed_documents_of_the_job_pending(source: Source) -> None:
    source.list("elsewhere.txt")
    source.fail("elsewhere.txt", retryable=False)
    source.list("bad.txt", "worse.txt", "good.txt", "gone.txt")
    source.fail("bad.txt", retryable=False)
    for _ in range(5):
        source.fail("worse.txt", retryable=True)
    source.fail("gone.txt", retryable=True)
    source.index("good.txt")
    source.delete("gone.txt")
    jobs.submit(source.engine, "ingest", "docs", {}, job_id=source.job)
    jobs.cancel(source.engine, source.job)
    jobs.retry(source.engine, source.job)
    for name in ("bad.txt", "worse.txt"):
        row = source.row(name)
        assert (row.state, row.attempts, row.retry_at) == (DocumentState.PENDING, 0, None)
    assert source.row("good.txt").state == DocumentState.INDEXED
    assert source.row("gone.txt").state == DocumentState.DELETED
    assert source.row("elsewhere.txt").state == DocumentState.FAILED
