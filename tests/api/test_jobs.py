"""Jobs and collections over HTTP."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from sqlalchemy import update

from smartypants.api.app import create_app
from smartypants.errors import VectorStoreUnavailable
from smartypants.ledger import collections, commits, jobs, leases
from smartypants.ledger.jobs import Wanted
from smartypants.ledger.schema import jobs as table
from tests.api.test_documents import NOTE, index, upload
from tests.api.test_search import events
from tests.ports import free_port


@contextmanager
def served(app):
    """The app behind a real socket: the test client gives a stream only when it has ended."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def claim(services, job_id):
    assert leases.claim(services.engine, "me", lease_s=60, only=job_id)


def beat(services, job_id, progress):
    return leases.beat(services.engine, "me", {job_id: progress}, lease_s=60, places=1)


@pytest.fixture
def ledger_url(either_ledger):
    return either_ledger


def test_job_with_failed_documents(client, services):
    accepted = upload(client, NOTE, {"name": "b.md", "text": ""}).json()
    job_id, bad = accepted["job_id"], accepted["documents"][1]["id"]
    claim(services, job_id)
    failed = commits.Failed(bad, "document_unreadable", "b.md is empty.", retryable=False)
    commits.commit(services.engine, "default", [], [failed])
    error = VectorStoreUnavailable("Down.", "Start it.")
    leases.finish(services.engine, job_id, "me", {"failed": 1}, error)
    job = client.get(f"/v1/jobs/{job_id}").json()
    assert (job["state"], job["kind"], job["collection"]) == ("failed", "ingest", "default")
    assert job["error"] == {"code": "vector_store_unavailable", "message": "Down. Start it."}
    assert job["progress"] == {"failed": 1}
    [document] = job["failed_documents"]
    assert document["id"] == bad
    assert document["error"] == {
        "code": "document_unreadable",
        "message": "b.md is empty.",
        "retryable": False,
        "attempts": 1,
        "retry_at": None,
    }
    [listed] = client.get("/v1/jobs", params={"state": "failed"}).json()["jobs"]
    assert listed == {name: job[name] for name in job if name != "failed_documents"}


def test_jobs_pages(client, services):
    ids = [jobs.submit(services.engine, "ingest", "c", {}).id for _ in range(5)]
    found, cursor = [], None
    for _ in range(3):
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/jobs", params=query).json()
        found += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
    assert (found, cursor) == (ids[::-1], None)


@pytest.mark.parametrize("moment", [1_700_000_000.123456789, 1_700_000_000.0, 0.1])
def test_jobs_pages_of_one_moment(client, services, moment):
    ids = {jobs.submit(services.engine, "ingest", "c", {}).id for _ in range(5)}
    with services.engine.begin() as connection:
        connection.execute(update(table).values(created_at=moment))
    found, query = [], {"limit": 2}
    for _ in range(3):
        page = client.get("/v1/jobs", params=query).json()
        found += [job["id"] for job in page["jobs"]]
        query["cursor"] = page["next_cursor"]
    assert query["cursor"] is None
    assert len(found) == 5
    assert set(found) == ids


def test_jobs_of_a_state(client, services):
    queued, running, paused, cancelled = (
        jobs.submit(services.engine, "ingest", "c", {}).id for _ in range(4)
    )
    claim(services, running)
    jobs.pause(services.engine, paused)
    jobs.cancel(services.engine, cancelled)

    def ids(**query):
        return [job["id"] for job in client.get("/v1/jobs", params=query).json()["jobs"]]

    expected = {"queued": queued, "running": running, "paused": paused, "cancelled": cancelled}
    for state, job_id in expected.items():
        assert ids(state=state) == [job_id]
    assert ids(state="succeeded") == []
    page = client.get("/v1/jobs", params={"limit": 3}).json()
    assert ids(limit=3, cursor=page["next_cursor"], state="queued") == [queued]


def test_why_a_job_waits(client, services):
    job_id = jobs.submit(services.engine, "ingest", "c", {}, priority=7).id
    url = f"/v1/jobs/{job_id}"
    job = client.get(url).json()
    assert (job["priority"], job["attempts"], job["not_before"]) == (7, 0, None)
    assert job["waiting"] == "No job runner has started yet: `smartypants up` starts one."
    assert client.get("/v1/jobs").json()["jobs"][0]["waiting"] == job["waiting"]
    claim(services, job_id)
    assert client.get(url).json()["waiting"] is None
    down = VectorStoreUnavailable("Down.", "Start it.")
    until = time.time() + 60
    leases.postpone(services.engine, job_id, "me", {}, until=until, error=down)
    job = client.get(url).json()
    assert job["waiting"].endswith("(attempt 2): Down. Start it.")
    assert job["not_before"].endswith("Z")
    assert job["error"] == {"code": "vector_store_unavailable", "message": "Down. Start it."}


def test_actions(client, services):
    job_id = jobs.submit(services.engine, "ingest", "c", {}).id

    def act(verb):
        response = client.post(f"/v1/jobs/{job_id}/{verb}")
        assert response.status_code == 200, response.text
        assert response.json()["id"] == job_id
        return response.json()["state"]

    assert act("pause") == "paused"
    assert "jobs resume" in client.get(f"/v1/jobs/{job_id}").json()["waiting"]
    assert act("resume") == "queued"
    claim(services, job_id)
    assert act("pause") == "running"
    assert client.get(f"/v1/jobs/{job_id}").json()["waiting"] == "It is being paused."
    assert act("cancel") == "running"
    assert beat(services, job_id, {}) == {job_id: Wanted.CANCEL}
    leases.obey(services.engine, job_id, "me", {}, Wanted.CANCEL)
    assert act("cancel") == "cancelled"
    assert act("retry") == "queued"
    assert act("cancel") == "cancelled"


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "retry"])
def test_actions_that_are_refused(client, services, verb):
    response = client.post(f"/v1/jobs/nothing/{verb}")
    assert (response.status_code, response.json()["code"]) == (404, "job_not_found")
    job_id = jobs.submit(services.engine, "ingest", "c", {}).id
    if verb != "retry":
        claim(services, job_id)
        leases.finish(services.engine, job_id, "me", {}, None)
    before = client.get(f"/v1/jobs/{job_id}").json()
    response = client.post(f"/v1/jobs/{job_id}/{verb}")
    assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert response.headers["content-type"] == "application/problem+json"
    assert client.get(f"/v1/jobs/{job_id}").json() == before
    assert client.get(f"/v1/jobs/{job_id}/{verb}").status_code == 405


def test_unknown_action(client, services):
    job_id = jobs.submit(services.engine, "ingest", "c", {}).id
    assert client.post(f"/v1/jobs/{job_id}/explode").status_code == 404


@pytest.mark.parametrize("query", ["limit=0", "cursor=nan", "cursor=inf", "cursor=x", "state=x",
                                   "cursor=1", "cursor=1_", "cursor=_x", "cursor=1e9_x",
                                   "cursor=-1_x", "cursor=1.5_a%27b", "state=pending"])  # fmt: skip
def test_bad_parameters(client, query):
    assert client.get(f"/v1/jobs?{query}").status_code == 422


def test_unknown_job(client):
    for url in ("/v1/jobs/nothing", "/v1/jobs/nothing/events"):
        response = client.get(url)
        assert (response.status_code, response.json()["code"]) == (404, "job_not_found")


def test_events_follow_the_job_to_its_end(client, services):
    job_id = jobs.submit(services.engine, "ingest", "c", {}).id

    def work():
        time.sleep(0.2)
        claim(services, job_id)
        time.sleep(0.8)
        beat(services, job_id, {"done": 1})
        time.sleep(0.8)
        leases.finish(services.engine, job_id, "me", {"done": 2}, None)

    worker = threading.Thread(target=work)
    worker.start()
    found = events(client.get(f"/v1/jobs/{job_id}/events").text)
    worker.join()
    states = [(name, data["state"], data["progress"].get("done")) for name, data in found]
    assert states == [
        ("progress", "queued", None),
        ("progress", "running", None),
        ("progress", "running", 1),
        ("progress", "succeeded", 2),
        ("end", "succeeded", 2),
    ]


def test_events_through_pause_and_cancel(client, services):
    """Each step waits until the watcher has seen the one before."""
    job_id = jobs.submit(services.engine, "ingest", "c", {}).id
    claim(services, job_id)
    steps = iter([
        lambda: jobs.pause(services.engine, job_id),
        lambda: leases.obey(services.engine, job_id, "me", {"done": 1}, Wanted.PAUSE),
        lambda: jobs.resume(services.engine, job_id),
        lambda: jobs.cancel(services.engine, job_id),
    ])  # fmt: skip
    seen = []
    with served(create_app(services)) as url:
        stream = httpx.stream("GET", f"{url}/v1/jobs/{job_id}/events", timeout=60)
        with stream as response:
            for line in response.iter_lines():
                if line.startswith("data:"):
                    job = json.loads(line.removeprefix("data:"))
                    seen.append((job["state"], job["waiting"]))
                    next(steps, lambda: None)()
    states = [state for state, _ in seen]
    assert states == ["running", "running", "paused", "queued", "cancelled", "cancelled"]
    assert seen[1][1] == "It is being paused."
    assert seen[-1][1] is None


def test_collection_is_created_once(client, services):
    first = client.post("/v1/collections", json={"name": "leases"})
    assert first.status_code == 201
    assert first.headers["location"] == "/v1/collections/leases"
    again = client.post("/v1/collections", json={"name": "leases"})
    assert (again.status_code, again.json()) == (200, first.json())
    found = collections.get(services.engine, "leases")
    assert services.vectors.calls[0] == ("create", found.physical, 3)
    assert first.json()["dimension"] == 3


@pytest.mark.parametrize("name", ["", "A", "1a", "a-b", "a" * 64, "a\n", None, 1])
def test_bad_collection_names(client, name):
    response = client.post("/v1/collections", json={"name": name})
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == "/name"


def test_collection_counts(client, services):
    accepted = upload(client, NOTE, {"name": "b.md", "text": "x"}).json()
    index(services, accepted["documents"][0]["id"])
    client.post("/v1/collections", json={"name": "empty"})
    listed = client.get("/v1/collections").json()["collections"]
    assert [item["name"] for item in listed] == ["default", "empty"]
    counts = {"pending": 1, "indexed": 1, "failed": 0, "deleted": 0}
    assert listed[0]["documents"] == counts
    assert (listed[0]["chunks"], listed[1]["chunks"]) == (2, 0)
    assert client.get("/v1/collections/default").json() == listed[0]


def test_drop_collection(client, services):
    upload(client, NOTE)
    physical = collections.get(services.engine, "default").physical
    assert client.delete("/v1/collections/default").status_code == 204
    assert ("drop", physical) in services.vectors.calls
    assert client.get("/v1/collections/default").status_code == 404
    response = client.delete("/v1/collections/default")
    assert (response.status_code, response.json()["code"]) == (404, "collection_not_found")
    assert client.get("/v1/documents").json()["documents"] == []


def test_progress_is_any_json(client, services):
    job = jobs.submit(services.engine, "ingest", "c", {})
    claim(services, job.id)
    progress = {"seconds": {"parse": 1.5}, "eta_s": None, "phase": "x"}
    beat(services, job.id, progress)
    assert json.loads(client.get(f"/v1/jobs/{job.id}").text)["progress"] == progress
