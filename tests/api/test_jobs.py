"""Jobs and collections over HTTP."""

from __future__ import annotations

import json
import threading
import time

import pytest

from smartypants.errors import VectorStoreUnavailable
from smartypants.ledger import collections, commits, jobs
from tests.api.test_documents import NOTE, index, upload
from tests.api.test_search import events


@pytest.fixture
def ledger_url(either_ledger):
    return either_ledger


def test_job_with_failed_documents(client, services):
    accepted = upload(client, NOTE, {"name": "b.md", "text": ""}).json()
    job_id, bad = accepted["job_id"], accepted["documents"][1]["id"]
    jobs.claim(services.engine, "me")
    failed = commits.Failed(bad, "document_unreadable", "b.md is empty.", retryable=False)
    commits.commit(services.engine, "default", [], [failed])
    error = VectorStoreUnavailable("Down.", "Start it.")
    jobs.finish(services.engine, job_id, {"failed": 1}, error)
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
    }


def test_jobs_pages(client, services):
    ids = [jobs.submit(services.engine, "ingest", "c", {}).id for _ in range(5)]
    found, cursor = [], None
    for _ in range(3):
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/jobs", params=query).json()
        found += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
    assert (found, cursor) == (ids[::-1], None)


@pytest.mark.parametrize("query", ["limit=0", "cursor=nan", "cursor=inf", "cursor=x", "state=x"])
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
        jobs.claim(services.engine, "me")
        time.sleep(0.8)
        jobs.heartbeat(services.engine, job_id, {"done": 1})
        time.sleep(0.8)
        jobs.finish(services.engine, job_id, {"done": 2}, None)

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
    progress = {"seconds": {"parse": 1.5}, "eta_s": None, "phase": "x"}
    jobs.heartbeat(services.engine, job.id, progress)
    assert json.loads(client.get(f"/v1/jobs/{job.id}").text)["progress"] == progress
