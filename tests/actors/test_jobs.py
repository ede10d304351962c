"""The job runner on a real local Ray: what users want of jobs, and what a runner owes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import update

from actors.jobs import run_jobs
from smartypants.ledger import chat_schema, conversations, documents, jobs
from smartypants.ledger.jobs import Job
from smartypants.settings import Settings
from tests.actors.conftest import Site
from tests.ledger.test_conversations import begin

pytestmark = [pytest.mark.ray, pytest.mark.integration, pytest.mark.timeout(900)]


class Runner:
    """A runner that a test may stop; its pipeline, which starts slowly, serves all tests here."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=run_jobs, args=(self._settings, self._stop))
            self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None


@pytest.fixture(scope="module")
def module_runner(installed: Settings) -> Iterator[Runner]:
    runner = Runner(installed)
    yield runner
    runner.stop()


@pytest.fixture
def runner(module_runner: Runner) -> Runner:
    """At work."""
    module_runner.start()
    return module_runner


def write(site: Site, count: int, words: int = 400, prefix: str = "") -> None:
    for number in range(count):
        body = f"Note {prefix}{number} of the harbour. " * (words // 6)
        (site.folder / f"{prefix}{number:04}.txt").write_text(body)


def submit(site: Site, uri: str | None = None, **options: int) -> str:
    params = {"connector": "filesystem", "uri": uri or str(site.folder)}
    return jobs.submit(site.engine, "ingest", site.collection, params, **options).id


def until(site: Site, job_id: str, reached: Callable[[Job], bool], seconds: float = 240) -> Job:
    deadline = time.monotonic() + seconds
    while not reached(job := jobs.get(site.engine, job_id)):
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    return job


def test_a_job_that_fails_says_why(site: Site) -> None:
    job_id = submit(site, str(site.folder / "nowhere"))
    cold = site.settings.ingest.model_copy(update={"idle_s": 0.0})  # no actors for nothing
    settings = site.settings.model_copy(update={"ingest": cold})
    run_jobs(settings, threading.Event(), only=(job_id,))
    ended = jobs.get(site.engine, job_id)
    assert (ended.state, ended.error_code) == ("failed", "invalid_request")
    assert "nowhere" in (ended.error or "")


def test_conversations_expire_where_jobs_are_run(site: Site) -> None:
    begin(site.engine, "a")
    long_ago = time.time() - 91 * 86_400
    with site.engine.begin() as connection:
        connection.execute(update(chat_schema.conversations).values(updated_at=long_ago))
    run_jobs(site.settings, threading.Event(), only=(submit(site, str(site.folder / "nowhere")),))
    assert conversations.page(site.engine, "ann", limit=1) == []


@pytest.mark.usefixtures("runner")
def test_a_huge_job_does_not_starve_a_small_one(site: Site) -> None:
    write(site, 400, prefix="huge")
    huge = submit(site)
    small_folder = site.folder.parent / "small"
    small_folder.mkdir()
    (small_folder / "one.txt").write_text("One note about the lighthouse.")
    until(site, huge, lambda job: job.progress.get("done", 0) > 0)
    small = submit(site, str(small_folder))
    ended = until(site, small, lambda job: job.ended)
    assert ended.state == "succeeded"
    at_work = jobs.get(site.engine, huge)
    assert not at_work.ended
    jobs.cancel(site.engine, huge)
    until(site, huge, lambda job: job.ended)


def test_cancel_pause_resume_and_a_runner_that_stops(site: Site, runner: Runner) -> None:
    write(site, 300)
    job_id = submit(site)
    until(site, job_id, lambda job: job.progress.get("done", 0) > 0)
    jobs.pause(site.engine, job_id)
    paused = until(site, job_id, lambda job: job.state == "paused")
    done = paused.progress["done"]
    assert 0 < done < 300
    jobs.resume(site.engine, job_id)
    going = until(site, job_id, lambda job: job.progress.get("done", 0) > done)
    assert going.listed  # it does not list the source again
    runner.stop()
    queued = jobs.get(site.engine, job_id)  # the runner has stopped in order
    assert (queued.state, queued.runner, queued.not_before) == ("queued", None, None)
    runner.start()
    until(site, job_id, lambda job: job.state == "running")
    jobs.cancel(site.engine, job_id)
    until(site, job_id, lambda job: job.state == "cancelled")
    again = jobs.retry(site.engine, job_id)
    assert (again.state, again.progress) == ("queued", {})
    ended = until(site, job_id, lambda job: job.ended)
    assert ended.state == "succeeded"
    assert ended.progress["unchanged"] + ended.progress["indexed"] == 300
    assert len(documents.pending(site.engine, site.rows()[0].source_id)) == 0
    assert {row.state for row in site.rows()} == {"indexed"}
