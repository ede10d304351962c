"""A reason for every job that does not move."""

from __future__ import annotations

import re
import time

import pytest
from sqlalchemy import Engine, insert, update

from smartypants.errors import Unavailable
from smartypants.ledger import jobs, leases, waiting
from smartypants.ledger.schema import jobs as table
from smartypants.ledger.schema import runners

SOURCE = {"connector": "filesystem", "uri": "/docs"}


def submit(engine: Engine, **params: str) -> str:
    return jobs.submit(engine, "ingest", "docs", params).id


def why(engine: Engine, job_id: str) -> str | None:
    return waiting.reason(engine, jobs.get(engine, job_id))


def seen(engine: Engine, *, ago_s: float = 0.0, places: int = 1) -> None:
    with engine.begin() as connection:
        row = {"id": "r", "places": places, "seen_at": time.time() - ago_s}
        connection.execute(insert(runners).values(row))


def run(engine: Engine, job_id: str, **values: object) -> None:
    assert leases.claim(engine, "r", lease_s=60, only=job_id)
    if values:
        with engine.begin() as connection:
            connection.execute(update(table).where(table.c.id == job_id).values(values))


def test_no_runner_ever(engine: Engine) -> None:
    assert why(engine, submit(engine)) == (
        "No job runner has started yet: `smartypants up` starts one."
    )


def test_dead_runners(engine: Engine) -> None:
    seen(engine, ago_s=40)
    reason = why(engine, submit(engine)) or ""
    assert re.match(r"No job runner is alive; the last was seen 4\d s ago\.", reason)


def test_a_free_place(engine: Engine) -> None:
    seen(engine, places=2)
    run(engine, submit(engine))
    assert why(engine, submit(engine)) == "A job runner takes it in a moment."


def test_no_free_place(engine: Engine) -> None:
    seen(engine, places=2)
    for _ in range(2):
        run(engine, submit(engine))
    assert (why(engine, submit(engine)) or "").startswith("All 2 places are taken")


def test_the_same_source(engine: Engine) -> None:
    seen(engine, places=4)
    first, second = submit(engine, **SOURCE), submit(engine, **SOURCE)
    run(engine, first)
    assert why(engine, second) == f"Job {first} works on the same source; this one follows it."


def test_backoff(engine: Engine) -> None:
    seen(engine)
    job_id, until = submit(engine), time.time() + 90
    run(engine, job_id)
    error = Unavailable("Milvus is down.", "Start it.")
    leases.postpone(engine, job_id, "r", {}, until=until, error=error)
    at = time.strftime("%H:%M:%S UTC", time.gmtime(until))
    assert why(engine, job_id) == f"It goes on at {at} (attempt 2): Milvus is down. Start it."


def test_documents_that_are_tried_again(engine: Engine) -> None:
    job_id = submit(engine)
    run(engine, job_id)
    leases.postpone(engine, job_id, "r", {}, until=time.time() + 90, attempted=False)
    assert (why(engine, job_id) or "").endswith("(attempt 1): some documents are tried again")


def test_backoff_that_is_over(engine: Engine) -> None:
    seen(engine)
    job_id = submit(engine)
    run(engine, job_id)
    leases.postpone(engine, job_id, "r", {}, until=time.time() - 1)
    assert why(engine, job_id) == "A job runner takes it in a moment."


def test_paused(engine: Engine) -> None:
    job_id = submit(engine)
    jobs.pause(engine, job_id)
    assert why(engine, job_id) == "It is paused: `smartypants jobs resume` lets it go on."


def test_running_well(engine: Engine) -> None:
    job_id = submit(engine)
    run(engine, job_id)
    assert why(engine, job_id) is None


def test_about_to_stop(engine: Engine) -> None:
    cancelled, paused = submit(engine), submit(engine)
    run(engine, cancelled)
    run(engine, paused)
    jobs.cancel(engine, cancelled)
    jobs.pause(engine, paused)
    assert why(engine, cancelled) == "It is being cancelled."
    assert why(engine, paused) == "It is being paused."


def test_runner_that_died(engine: Engine) -> None:
    job_id = submit(engine)
    run(engine, job_id, lease_until=time.time() - 3)
    assert why(engine, job_id) == "Its runner died; another takes it over in a moment."


def test_no_progress(engine: Engine) -> None:
    job_id = submit(engine)
    run(engine, job_id, started_at=time.time() - 300, progress={"phase": "discovering"})
    reason = why(engine, job_id) or ""
    assert re.fullmatch(r"It is discovering; no document was finished for 3\d\d s\.", reason)
    leases.advanced(engine, job_id, "r")
    assert why(engine, job_id) is None


def test_nothing_known_yet(engine: Engine) -> None:
    job_id = submit(engine)
    run(engine, job_id, started_at=time.time() - 100)
    assert (why(engine, job_id) or "").startswith("It is starting; ")


@pytest.mark.parametrize("state", jobs.ENDED)
def test_ended(engine: Engine, state: str) -> None:
    job_id = submit(engine)
    run(engine, job_id, state=state, started_at=0.0)
    assert why(engine, job_id) is None
