"""Exporting over HTTP: whole, and no more than the caller may read."""

from __future__ import annotations

import json

import pytest

from smartypants.api import export
from smartypants.ledger import documents, listing
from smartypants.types import DocumentRef
from tests.api.test_documents import index, upload


def exported(client):
    response = client.get("/v1/collections/default/export")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/x-ndjson")
    assert response.headers["cache-control"] == "no-store"
    return [json.loads(line) for line in response.text.splitlines()]


def test_what_can_be_searched_with_its_text(client, services, monkeypatch):
    monkeypatch.setattr(export, "PAGE", 2)
    sent = [{"name": f"{number}.md", "text": "x"} for number in range(5)]
    ids = [row["id"] for row in upload(client, *sent).json()["documents"]]
    for number, document_id in enumerate(ids[:4]):
        index(services, document_id, text=f"# Number {number}")
    found = {row["id"]: row for row in exported(client)}
    assert set(found) == set(ids[:4])  # the last one is not indexed yet
    assert [found[name]["text"] for name in ids[:4]] == [f"# Number {n}" for n in range(4)]
    assert found[ids[0]]["metadata"] == {"author": "Ann"}


def test_what_is_not_for_the_caller_stays(client, services):
    [mine] = upload(client, {"name": "a.md", "text": "x"}).json()["documents"]
    index(services, mine["id"])
    source = documents.get(services.engine, mine["id"]).source_id
    secret = DocumentRef(source, "upload:s", "secret", "1", 1, principals=("user:ann",))
    listing.list_documents(
        services.engine, [secret], collection="default", job_id="j", max_attempts=1
    )
    index(services, secret.document_id)
    assert [row["id"] for row in exported(client)] == [mine["id"]]


@pytest.mark.parametrize("name", ["nothing", "a b"])
def test_no_such_collection(client, name):
    assert client.get(f"/v1/collections/{name}/export").status_code in (404, 422)
