"""What runners do with jobs, and what those can't who lost them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, insert, update

from smartypants.errors import PruneRefused, Unavailable
from smartypants.ledger import jobs, leases
from smartypants.ledger.jobs import Job, Wanted
from smartypants.ledger.schema import jobs as table
from smartypants.ledger.schema import runners

LEASE_S = 60.0
DOWN = Unavailable("Milvus is down.", "Start it.")


def submit(engine: Engine, uri: str | None = None, *, priority: int = 5) -> str:
    params = {"connector": "filesystem", "uri": uri} if uri else {}
    return jobs.submit(engine, "ingest", "docs", params, priority=priority).id


def claim(engine: Engine, runner: str = "r", only: str | None = None) -> Job | None:
    return leases.claim(engine, runner, lease_s=LEASE_S, only=only)


def claimed(engine: Engine, runner: str = "r", only: str | None = None) -> str:
    job = claim(engine, runner, only)
    assert job is not None
    return job.id


def running(engine: Engine, runner: str = "r") -> str:
    job_id = submit(engine)
    return claimed(engine, runner, job_id)


def change(engine: Engine, job_id: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(update(table).where(table.c.id == job_id).values(values))


def expire(engine: Engine, job_id: str) -> None:
    change(engine, job_id, lease_until=time.time() - 1)


def beat(engine: Engine, *job_ids: str, runner: str = "r") -> dict[str, Wanted]:
    progress = {job_id: {"done": 3} for job_id in job_ids}
    return leases.beat(engine, runner, progress, lease_s=LEASE_S, places=2)


def test_claimed(engine: Engine) -> None:
    job_id = submit(engine)
    before = time.time()
    job = claim(engine)
    assert job is not None
    assert (job.id, job.state, job.runner, job.attempts) == (job_id, "running", "r", 1)
    assert job.lease_until is not None
    assert job.lease_until >= before + LEASE_S
    assert job == jobs.get(engine, job_id)
    assert claim(engine) is None


def test_no_two_runners_take_the_same(engine: Engine) -> None:
    ids = {submit(engine) for _ in range(40)}

    def take_all(runner: int) -> list[str]:
        taken = []
        while job := claim(engine, str(runner)):
            assert job.runner == str(runner)
            taken.append(job.id)
        return taken

    with ThreadPoolExecutor(8) as pool:
        taken = Counter(job_id for found in pool.map(take_all, range(8)) for job_id in found)
    assert set(taken) == ids
    assert set(taken.values()) == {1}


def test_one_job_of_a_source_at_a_time(engine: Engine) -> None:
    for _ in range(6):
        submit(engine, "/a")
    other = submit(engine, "/b")
    with ThreadPoolExecutor(8) as pool:
        taken = [job for job in pool.map(lambda n: claim(engine, str(n)), range(8)) if job]
    assert len(taken) == 2
    assert other in {job.id for job in taken}
    [first] = [job for job in taken if job.id != other]
    leases.finish(engine, first.id, str(first.runner), {}, None)
    assert claimed(engine) != first.id
    assert claim(engine) is None


def test_one_may_be_named(engine: Engine) -> None:
    ids = [submit(engine) for _ in range(3)]
    assert claimed(engine, only=ids[2]) == ids[2]
    assert claim(engine, only=ids[2]) is None
    assert claim(engine, only="nobody") is None
    assert [claimed(engine), claimed(engine)] == ids[:2]


def test_highest_priority_first(engine: Engine) -> None:
    ids = {priority: submit(engine, priority=priority) for priority in (5, 0, 9, 7)}
    assert [claimed(engine) for _ in range(4)] == [ids[9], ids[7], ids[5], ids[0]]


def test_equal_ones_take_turns(engine: Engine) -> None:
    first, second, third = (submit(engine) for _ in range(3))
    turns = []
    for _ in range(7):
        turns.append(claimed(engine))
        leases.postpone(engine, turns[-1], "r", {}, attempted=False)
    assert turns == [first, second, third, first, second, third, first]


def test_not_before_its_time(engine: Engine) -> None:
    job_id = submit(engine)
    assert leases.waiting(engine)
    change(engine, job_id, not_before=time.time() + 60)
    assert claim(engine) is None
    assert not leases.waiting(engine)
    change(engine, job_id, not_before=time.time() - 1)
    assert leases.waiting(engine)
    job = claim(engine)
    assert job is not None
    assert job.not_before is None


@pytest.mark.parametrize("state", ["paused", "cancelled", "succeeded", "failed"])
def test_only_queued_jobs_are_taken(engine: Engine, state: str) -> None:
    change(engine, submit(engine), state=state)
    assert claim(engine) is None
    assert not leases.waiting(engine)


def test_beat_renews_and_notes_progress(engine: Engine) -> None:
    job_id = running(engine)
    expire(engine, job_id)
    assert beat(engine, job_id) == {job_id: Wanted.RUN}
    job = jobs.get(engine, job_id)
    assert job.lease_until is not None
    assert job.lease_until > time.time() + LEASE_S / 2
    assert job.progress == {"done": 3}
    assert leases.take_back(engine, max_attempts=3) == 0


def test_beat_says_what_users_want(engine: Engine) -> None:
    runs, pauses, cancelled = (running(engine) for _ in range(3))
    jobs.pause(engine, pauses)
    jobs.cancel(engine, cancelled)
    assert beat(engine, runs, pauses, cancelled) == {
        runs: Wanted.RUN,
        pauses: Wanted.PAUSE,
        cancelled: Wanted.CANCEL,
    }


def test_beat_omits_what_was_lost(engine: Engine) -> None:
    mine, lost, ended = (running(engine) for _ in range(3))
    expire(engine, lost)
    leases.take_back(engine, max_attempts=3)
    assert claimed(engine, "other") == lost
    leases.finish(engine, ended, "r", {}, None)
    assert beat(engine, mine, lost, ended) == {mine: Wanted.RUN}
    assert jobs.get(engine, lost).progress == {}
    assert jobs.get(engine, ended).progress == {}


@pytest.mark.parametrize("taken", [True, False])
def test_who_lost_a_job_cannot_change_it(engine: Engine, taken: bool) -> None:
    job_id = running(engine)
    expire(engine, job_id)
    assert leases.take_back(engine, max_attempts=3) == 1
    if taken:
        claimed(engine, "other")
    before = jobs.get(engine, job_id)
    leases.finish(engine, job_id, "r", {"done": 9}, None)
    leases.finish(engine, job_id, "r", {"done": 9}, DOWN)
    leases.postpone(engine, job_id, "r", {"done": 9}, until=time.time() + 60, error=DOWN)
    leases.obey(engine, job_id, "r", {"done": 9}, Wanted.CANCEL)
    leases.advanced(engine, job_id, "r")
    leases.listed(engine, job_id, "r")
    assert beat(engine, job_id) == {}
    assert jobs.get(engine, job_id) == before


def test_finished(engine: Engine) -> None:
    good, bad = running(engine), running(engine)
    leases.finish(engine, good, "r", {"done": 4}, None)
    leases.finish(engine, bad, "r", {"done": 1}, PruneRefused("Too much.", "Ask."))
    job = jobs.get(engine, good)
    assert (job.state, job.progress, job.error_code) == ("succeeded", {"done": 4}, None)
    assert (job.runner, job.lease_until) == (None, None)
    assert job.finished_at is not None
    job = jobs.get(engine, bad)
    assert (job.state, job.error_code, job.error) == ("failed", "prune_refused", "Too much. Ask.")
    assert job.finished_at is not None


def test_success_forgets_the_error_of_an_earlier_attempt(engine: Engine) -> None:
    job_id = running(engine)
    leases.postpone(engine, job_id, "r", {}, error=DOWN)
    assert jobs.get(engine, job_id).error == "Milvus is down. Start it."
    claimed(engine)
    leases.finish(engine, job_id, "r", {}, None)
    assert (jobs.get(engine, job_id).error, jobs.get(engine, job_id).error_code) == (None, None)


def test_postponed_after_an_attempt(engine: Engine) -> None:
    job_id, until = running(engine), time.time() + 60
    leases.postpone(engine, job_id, "r", {"done": 2}, until=until, error=DOWN)
    job = jobs.get(engine, job_id)
    assert (job.state, job.not_before, job.attempts) == ("queued", until, 1)
    assert (job.error_code, job.progress) == ("unavailable", {"done": 2})
    assert (job.runner, job.lease_until, job.finished_at) == (None, None, None)


def test_postponed_without_having_attempted(engine: Engine) -> None:
    job_id = submit(engine)
    for _ in range(5):
        job = claim(engine)
        assert job is not None
        assert job.attempts == 1
        leases.postpone(engine, job_id, "r", {}, attempted=False)
    job = jobs.get(engine, job_id)
    assert (job.attempts, job.not_before, job.error) == (0, None, None)


@pytest.mark.parametrize(("want", "state"), [(jobs.cancel, "cancelled"), (jobs.pause, "paused")])
def test_postponed_when_its_user_wants_it_stopped(
    engine: Engine, want: Callable[[Engine, str], Job], state: str
) -> None:
    job_id = running(engine)
    want(engine, job_id)  # between the last beat and this
    leases.postpone(engine, job_id, "r", {}, until=time.time() + 600, error=DOWN)
    job = jobs.get(engine, job_id)
    assert job.state == state
    assert (job.finished_at is not None) == job.ended


def test_obeyed(engine: Engine) -> None:
    paused, cancelled = running(engine), running(engine)
    leases.obey(engine, paused, "r", {"done": 1}, Wanted.PAUSE)
    leases.obey(engine, cancelled, "r", {"done": 2}, Wanted.CANCEL)
    job = jobs.get(engine, paused)
    assert (job.state, job.progress, job.runner, job.finished_at) == (
        "paused", {"done": 1}, None, None,
    )  # fmt: skip
    job = jobs.get(engine, cancelled)
    assert (job.state, job.progress, job.runner) == ("cancelled", {"done": 2}, None)
    assert job.finished_at is not None


def test_pauses_are_no_attempts(engine: Engine) -> None:
    job_id = submit(engine)
    for _ in range(4):
        claimed(engine)
        leases.obey(engine, job_id, "r", {}, Wanted.PAUSE)
        jobs.resume(engine, job_id)
    claimed(engine)
    expire(engine, job_id)
    assert leases.take_back(engine, max_attempts=3) == 1
    assert jobs.get(engine, job_id).state == "queued"


def test_dead_runners_jobs_are_queued_again(engine: Engine) -> None:
    dead, alive, done, waits = running(engine), running(engine), running(engine), submit(engine)
    expire(engine, dead)
    expire(engine, done)
    leases.finish(engine, done, "r", {}, None)
    assert leases.take_back(engine, max_attempts=3) == 1
    states = [jobs.get(engine, job_id).state for job_id in (dead, alive, done, waits)]
    assert states == ["queued", "running", "succeeded", "queued"]
    assert leases.take_back(engine, max_attempts=3) == 0
    again = claim(engine, "other", only=dead)
    assert again is not None
    assert (again.attempts, again.runner) == (2, "other")


def test_job_that_outlives_its_runners_is_given_up(engine: Engine) -> None:
    job_id = submit(engine)
    for attempt in range(3):
        claimed(engine)
        expire(engine, job_id)
        assert leases.take_back(engine, max_attempts=3) == (attempt < 2)
    job = jobs.get(engine, job_id)
    assert (job.state, job.error_code, job.runner) == ("failed", "runner_died", None)
    assert "3 runners" in (job.error or "")
    assert job.finished_at is not None
    assert claim(engine) is None


def test_progress_forgets_the_attempts_before(engine: Engine) -> None:
    job_id = submit(engine)
    for _ in range(5):
        claimed(engine)
        leases.advanced(engine, job_id, "r")
        expire(engine, job_id)
        assert leases.take_back(engine, max_attempts=2) == 1
    job = jobs.get(engine, job_id)
    assert (job.state, job.attempts) == ("queued", 1)
    assert job.progress_at is not None


@pytest.mark.parametrize("attempts", [1, 9])
def test_death_does_not_undo_what_users_want(engine: Engine, attempts: int) -> None:
    cancelled, paused = running(engine), running(engine)
    jobs.cancel(engine, cancelled)
    jobs.pause(engine, paused)
    for job_id in (cancelled, paused):
        change(engine, job_id, attempts=attempts)
        expire(engine, job_id)
    assert leases.take_back(engine, max_attempts=3) == 0
    assert jobs.get(engine, cancelled).state == "cancelled"
    assert jobs.get(engine, cancelled).finished_at is not None
    job = jobs.get(engine, paused)
    assert (job.state, job.runner, job.finished_at) == ("paused", None, None)


def test_complete_listing_is_remembered(engine: Engine) -> None:
    job_id = running(engine)
    assert jobs.get(engine, job_id).listed == 0
    leases.listed(engine, job_id, "r")
    expire(engine, job_id)
    leases.take_back(engine, max_attempts=3)
    job = claim(engine, "other")
    assert job is not None
    assert job.listed == 1


def test_who_is_alive(engine: Engine) -> None:
    assert leases.alive(engine, within_s=10) == (0, None)
    old = time.time() - 100
    with engine.begin() as connection:
        connection.execute(insert(runners).values(id="old", places=4, seen_at=old))
    assert leases.alive(engine, within_s=10) == (0, old)
    beat(engine, runner="a")
    beat(engine, runner="b")
    beat(engine, runner="b")
    places, seen_at = leases.alive(engine, within_s=10)
    assert places == 4
    assert seen_at is not None
    assert seen_at > old
    leases.leave(engine, "a")
    assert leases.alive(engine, within_s=10)[0] == 2
    assert leases.alive(engine, within_s=1000)[0] == 6


def test_runners_of_long_ago_are_forgotten(engine: Engine) -> None:
    with engine.begin() as connection:
        ancient = time.time() - 2 * leases.FORGET_RUNNERS_S
        connection.execute(insert(runners).values(id="old", places=4, seen_at=ancient))
    leases.leave(engine, "nobody")
    assert leases.alive(engine, within_s=1e9) == (0, None)
