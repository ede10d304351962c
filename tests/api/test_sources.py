"""Sources over HTTP: who sees them, and what is read anew."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from smartypants.api.app import create_app
from smartypants.api.services import Services
from smartypants.auth.roles import Role
from smartypants.ledger import collections, jobs, listing
from smartypants.types import DocumentRef
from tests.api.test_documents import NOTE, upload
from tests.auth.conftest import key_of, required

URI = "s3://x/notes/"


@pytest.fixture
def ledger_url(either_ledger: str) -> str:
    return either_ledger


@pytest.fixture
def closed(services: Services) -> TestClient:
    return TestClient(create_app(required(services)))


def source(services: Services, name: str, *principals: str, collection: str = "docs") -> None:
    """With one document for each of the principals."""
    engine = services.engine
    collections.ensure(engine, collection, embedding_model="m", dimension=3)
    listing.register_source(
        engine, source_id=name, collection=collection, kind="objects", uri=f"{URI}{name}"
    )
    refs = [
        DocumentRef(name, f"{URI}{name}/{who}", who, "1", 1, principals=(who,))
        for who in principals
    ]
    listing.list_documents(engine, refs, collection=collection, job_id="j", max_attempts=3)


def seen(client: TestClient, headers: dict[str, str], **params: Any) -> dict[str, int]:
    found = client.get("/v1/sources", headers=headers, params=params).json()["sources"]
    return {row["id"]: row["documents"]["pending"] for row in found}


def test_only_what_the_caller_may_read_is_seen_and_counted(
    closed: TestClient, services: Services
) -> None:
    source(services, "mixed", "public", "user:ann", "user:bob")
    source(services, "bobs", "user:bob")
    source(services, "elsewhere", "public", collection="other")
    ann = key_of(services.engine, "ann")
    assert seen(closed, ann) == {"mixed": 2, "elsewhere": 1}
    assert seen(closed, ann, collection="docs") == {"mixed": 2}
    missing, hidden = (closed.get(f"/v1/sources/{n}", headers=ann).json() for n in ("no", "bobs"))
    assert hidden["code"] == missing["code"] == "source_not_found"
    found = closed.get("/v1/sources/mixed", headers=ann).json()
    assert (found["kind"], found["uri"], found["collection"]) == ("objects", f"{URI}mixed", "docs")
    assert found["listed_at"] is None
    listing.note_listed(services.engine, "mixed")
    found = closed.get("/v1/sources/mixed", headers=ann).json()
    assert found["listed_at"] > found["created_at"]
    editor = key_of(services.engine, "eve", Role.EDITOR)
    assert seen(closed, editor) == {"mixed": 1, "bobs": 0, "elsewhere": 1}


def test_pages(closed: TestClient, services: Services) -> None:
    names = [f"s{number}" for number in range(5)]
    for name in names:
        source(services, name, "public")
    ann = key_of(services.engine, "ann")
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = closed.get("/v1/sources", headers=ann, params={"limit": 2} | cursor).json()
        found += [row["id"] for row in page["sources"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == names


def test_sync_is_a_job_for_those_who_write(closed: TestClient, services: Services) -> None:
    source(services, "mixed", "public")
    engine = services.engine
    reader = key_of(engine, "ann")
    assert closed.post("/v1/sources/mixed/sync", headers=reader).status_code == 403
    editor = key_of(engine, "eve", Role.EDITOR)
    accepted = closed.post("/v1/sources/mixed/sync", headers=editor)
    assert accepted.status_code == 202
    job = jobs.get(engine, accepted.json()["job_id"])
    assert accepted.headers["Location"] == f"/v1/jobs/{job.id}"
    assert (job.kind, job.collection, job.state) == ("ingest", "docs", "queued")
    assert job.params == {"connector": "objects", "uri": f"{URI}mixed"}
    assert closed.post("/v1/sources/no/sync", headers=editor).status_code == 404


def test_uploads_are_not_fetched(client: TestClient) -> None:
    upload(client, NOTE)
    [found] = client.get("/v1/sources").json()["sources"]
    assert (found["kind"], found["documents"]["pending"]) == ("uploads", 1)
    refused = client.post(f"/v1/sources/{found['id']}/sync")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
