"""Versions and related documents over HTTP, each only for those who may read them."""

from __future__ import annotations

import pytest

from smartypants.connectors.uploads import URI, UploadsConnector
from smartypants.ledger import commits, jobs, listing
from smartypants.types import RelationKind
from tests.api.test_documents import NOTE, index, upload


def versions(client, document_id):
    response = client.get(f"/v1/documents/{document_id}/versions")
    assert response.status_code == 200, response.text
    return response.json()["versions"]


def related(client, document_id):
    response = client.get(f"/v1/documents/{document_id}/related")
    assert response.status_code == 200, response.text
    return {(item["relation"], item["document"]["name"]) for item in response.json()["related"]}


def hide(services, name, *, relations=()):
    """An upload that only Ann may read."""
    connector = UploadsConnector(collection="default", blobs=services.blobs)
    ref = connector.accept(b"x", name=name, principals=("user:ann",), relations=relations)
    listing.register_source(
        services.engine,
        source_id=connector.source_id,
        collection="default",
        kind="uploads",
        uri=URI,
    )
    listing.list_documents(services.engine, [ref], collection="default", job_id="j", max_attempts=1)
    return ref.document_id


def test_versions(client, services):
    [document] = upload(client, NOTE).json()["documents"]
    assert versions(client, document["id"]) == []
    index(services, document["id"], version="v1")
    upload(client, {**NOTE, "text": "new"})
    index(services, document["id"], version="v2")
    new, old = versions(client, document["id"])
    assert (new["version"], new["size"], new["chunks"], new["replaced_at"]) == ("v2", 3, 2, None)
    assert (old["version"], old["replaced_at"]) == ("v1", new["indexed_at"])


def test_relations_of_uploads(client, services):
    mail = {"name": "mail.txt", "text": "Hello"}
    stated = [{"kind": "attachment_of", "name": "mail.txt"}]
    accepted = upload(client, {**NOTE, "relations": stated}, mail).json()["documents"]
    note, mail_id = (item["id"] for item in accepted)
    assert related(client, note) == {("attachment_of", "mail.txt")}
    assert related(client, mail_id) == {("has_attachment", "notes.md")}
    for document_id in (note, mail_id):
        index(services, document_id, version="same")
    assert ("duplicate_of", "notes.md") in related(client, mail_id)


@pytest.mark.parametrize(
    "relation",
    [
        {"kind": "moved_from", "name": "a"},
        {"kind": "attachment_of", "name": "../a"},
        {"kind": "attachment_of"},
        {"kind": "reply_to", "name": "a", "more": 1},
    ],
)
def test_bad_relations(client, relation):
    response = client.post("/v1/documents", json={"documents": [{**NOTE, "relations": [relation]}]})
    assert response.status_code == 422


def test_unreadable_documents_do_not_exist(client, services):
    [document] = upload(client, NOTE).json()["documents"]
    hers = hide(services, "hers", relations=[(RelationKind.REPLY_TO, "notes.md")])
    for document_id in (document["id"], hers):
        index(services, document_id)
    assert related(client, document["id"]) == set()
    for route in ("versions", "related"):
        answers = [
            client.get(f"/v1/documents/{document_id}/{route}") for document_id in (hers, "0" * 32)
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].json()["code"] == answers[1].json()["code"] == "document_not_found"


def test_deleted_documents_have_a_past(client, services):
    [document] = upload(client, NOTE).json()["documents"]
    index(services, document["id"])
    assert client.delete(f"/v1/documents/{document['id']}").status_code == 204
    assert client.get(f"/v1/documents/{document['id']}").status_code == 404
    [only] = versions(client, document["id"])
    assert only["replaced_at"] is not None
    assert related(client, document["id"]) == set()
    hers = hide(services, "hers")
    commits.mark_deleted(services.engine, "default", [hers])
    assert client.get(f"/v1/documents/{hers}/versions").status_code == 404


def test_reindexing_is_a_job(client, services):
    assert client.post("/v1/collections/default/reindex").status_code == 404
    upload(client, NOTE)
    response = client.post("/v1/collections/default/reindex")
    assert response.status_code == 202
    job = jobs.get(services.engine, response.json()["job_id"])
    assert (job.kind, job.collection, job.state) == ("reindex", "default", "queued")
    assert response.headers["location"] == f"/v1/jobs/{job.id}"
    again = jobs.get(
        services.engine, client.post("/v1/collections/default/reindex").json()["job_id"]
    )
    assert again.exclusive == job.exclusive  # one at a time runs
