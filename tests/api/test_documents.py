"""Uploading, listing, reading and deleting documents over HTTP."""

from __future__ import annotations

import pytest

from smartypants.connectors.uploads import UploadsConnector
from smartypants.errors import NotFound, VectorStoreUnavailable
from smartypants.ledger import collections, commits, documents, jobs, listing
from smartypants.types import DocumentRef

NOTE = {"name": "notes.md", "text": "# Notes\n\nBuy tea."}


@pytest.fixture
def ledger_url(either_ledger):
    return either_ledger


def upload(client, *documents_, **fields):
    response = client.post("/v1/documents", json={"documents": list(documents_), **fields})
    assert response.status_code == 202, response.text
    return response


def index(services, document_id, *, text="# Notes", version="v1"):
    row = documents.get(services.engine, document_id)
    services.blobs.put(f"text/{document_id}/{version}", text.encode())
    done = commits.Indexed(document_id, version, "Notes", 2, {"author": "Ann"})
    commits.commit(services.engine, row.collection, [done], [])


def test_json_upload(client, services):
    response = upload(client, {**NOTE, "title": "My notes", "metadata": {"lang": "en"}})
    accepted = response.json()
    [document] = accepted["documents"]
    assert document["name"] == "notes.md"
    assert response.headers["location"] == f"/v1/jobs/{accepted['job_id']}"
    row = documents.get(services.engine, document["id"])
    assert (row.state, row.job_id) == ("pending", accepted["job_id"])
    assert row.metadata == {"lang": "en", "title": "My notes"}
    job = jobs.get(services.engine, accepted["job_id"])
    assert (job.kind, job.collection) == ("ingest", "default")
    assert job.params == {"connector": "uploads", "uri": "upload:"}
    connector = UploadsConnector(collection="default", blobs=services.blobs)
    [pending] = documents.pending(services.engine, connector.source_id)
    ref = DocumentRef(pending.source_id, pending.uri, pending.name, pending.etag, pending.size)
    assert connector.fetch(ref) == NOTE["text"].encode()
    physical = collections.get(services.engine, "default").physical
    assert ("create", physical, 3) in services.vectors.calls


def test_multipart_upload(client, services):
    files = [
        ("files", ("a/b.pdf", b"%PDF-1", "application/pdf")),
        ("files", ("empty.bin", b"", "application/octet-stream")),
    ]
    data = {"collection": "leases", "metadata": '{"title": "T"}'}
    response = client.post("/v1/documents", files=files, data=data)
    assert response.status_code == 202
    rows = documents.by_id(services.engine, [d["id"] for d in response.json()["documents"]])
    pdf, empty = sorted(rows.values(), key=lambda row: row.name)
    assert (pdf.name, pdf.media_type, pdf.size) == ("a/b.pdf", "application/pdf", 6)
    assert (empty.name, empty.media_type, empty.size) == ("empty.bin", None, 0)
    assert {pdf.collection, pdf.state, empty.state} == {"leases", "pending"}
    assert pdf.metadata == {"title": "T"}


def test_unchanged_document_is_not_pending_again(client, services):
    [document] = upload(client, NOTE).json()["documents"]
    index(services, document["id"])
    again = upload(client, NOTE).json()
    assert again["documents"] == [document]
    assert documents.get(services.engine, document["id"]).state == "indexed"
    changed = upload(client, {**NOTE, "text": "new"}).json()
    assert documents.get(services.engine, document["id"]).job_id == changed["job_id"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("/a//b/./c.md", "a/b/c.md"),
        ("C:\\docs\\x.txt", "C:/docs/x.txt"),
        ("e\u0301.md", "é.md"),
        (" a b.md ", "a b.md"),
        ("x" * 500, "x" * 500),
    ],
)
def test_names_have_one_spelling(client, name, kept):
    [document] = upload(client, {"name": name, "text": "x"}).json()["documents"]
    assert document["name"] == kept


@pytest.mark.parametrize(
    "name",
    ["", "  ", "/", ".", "..", "a/../b", "a\\..\\b", "a\nb", "a\0", "x" * 501, "a#attachment/b"],
)
def test_bad_names(client, services, name):
    document = {"name": name, "text": "x"}
    response = client.post("/v1/documents", json={"documents": [document]})
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == "/documents/0/name"
    assert collections.every(services.engine) == []


def test_bad_name_of_a_file(client):
    response = client.post("/v1/documents", files=[("files", ("../x", b"x"))])
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == "/files/0/name"


@pytest.mark.parametrize(
    "change",
    [
        {"documents": []},
        {"documents": None},
        {"documents": [NOTE, {**NOTE, "name": "./notes.md"}]},
        {"documents": [{"name": "x"}]},
        {"documents": [{**NOTE, "media_type": "text"}]},
        {"documents": [{**NOTE, "title": " "}]},
        {"documents": [{**NOTE, "title": "a\0b"}]},
        {"documents": [{**NOTE, "metadata": {"a": 1}}]},
        {"documents": [{**NOTE, "metadata": {"a": "\0"}}]},
        {"documents": [{**NOTE, "metadata": {"": "a"}}]},
        {"documents": [{**NOTE, "metadata": {str(n): "a" for n in range(51)}}]},
        {"documents": [{**NOTE, "url": "x"}]},
        {"collection": "Bad Name"},
        {"files": []},
    ],
)
def test_bad_json_uploads(client, services, change):
    response = client.post("/v1/documents", json={"documents": [NOTE], **change})
    assert response.status_code == 422
    assert response.json()["errors"]
    assert jobs.page(services.engine, limit=1) == []


FILE = ("files", ("a.md", b"x"))


@pytest.mark.parametrize(
    ("files", "data", "path"),
    [
        ([FILE, FILE], {}, "/files/1"),
        ([("file", ("a.md", b"x"))], {}, "/file"),
        ([("files", (None, b"x"))], {}, "/files/0"),
        ([FILE], {"metadata": "{"}, "/metadata"),
        ([FILE], {"metadata": "[1]"}, "/metadata"),
        ([FILE], {"metadata": "[" * 50_000}, "/metadata"),
        ([FILE], {"metadata": '{"a": 1}'}, "/metadata/a"),
        ([FILE], {"collection": "X"}, "/collection"),
        ([FILE], {"collection": ["a", "b"]}, "/collection"),
        ([FILE], {"name": "x"}, "/name"),
    ],
)
def test_bad_multipart_uploads(client, services, files, data, path):
    response = client.post("/v1/documents", files=files, data=data)
    assert response.status_code == 422, response.text
    assert path in [error["path"] for error in response.json()["errors"]]
    assert jobs.page(services.engine, limit=1) == []


@pytest.mark.parametrize(
    ("content", "content_type"),
    [(b"x", "multipart/form-data"), (b"junk", "multipart/form-data; boundary=b")],
)
def test_broken_multipart(client, content, content_type):
    response = client.post("/v1/documents", content=content, headers={"Content-Type": content_type})
    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == "application/problem+json"


def test_other_embedding_model(client, services):
    collections.ensure(services.engine, "old", embedding_model="other", dimension=9)
    response = client.post("/v1/documents", json={"collection": "old", "documents": [NOTE]})
    assert response.status_code == 409
    assert response.json()["code"] == "embedding_model_mismatch"


def test_listing_pages_and_filters(client, services):
    notes = [{"name": f"{n}.md", "text": "x"} for n in range(5)]
    accepted = upload(client, *notes).json()
    upload(client, NOTE, collection="other")
    index(services, accepted["documents"][0]["id"])
    names, cursor = [], None
    for _ in range(3):
        query = {"collection": "default", "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/documents", params=query).json()
        names += [document["name"] for document in page["documents"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert sorted(names) == [f"{n}.md" for n in range(5)]

    def count(**query):
        return len(client.get("/v1/documents", params=query).json()["documents"])

    assert count() == 6
    assert count(state="indexed") == 1
    assert count(job_id=accepted["job_id"], state="pending") == 4
    assert count(collection="nothing") == 0


def test_dead_letters_and_those_that_are_tried_again(client, services):
    notes = [{"name": name, "text": "x"} for name in ("final", "spent", "again", "fine")]
    accepted = upload(client, *notes).json()["documents"]
    ids = {document["name"]: document["id"] for document in accepted}

    def fail(name, *, retryable):
        failed = commits.Failed(ids[name], "internal_error", "Broken.", retryable)
        commits.commit(services.engine, "default", [], [failed])

    fail("final", retryable=False)
    for _ in range(services.settings.ingest.max_attempts):
        fail("spent", retryable=True)
    fail("again", retryable=True)
    index(services, ids["fine"])

    def names(**query):
        page = client.get("/v1/documents", params=query).json()
        return {document["name"] for document in page["documents"]}

    assert names(state="failed") == {"final", "spent", "again"}
    assert names(state="dead") == {"final", "spent"}
    assert names(state="dead", collection="other") == set()
    error = client.get(f"/v1/documents/{ids['again']}").json()["error"]
    assert (error["retryable"], error["attempts"]) == (True, 1)
    assert error["retry_at"].endswith("Z")
    error = client.get(f"/v1/documents/{ids['final']}").json()["error"]
    assert (error["retryable"], error["retry_at"]) == (False, None)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", f"limit={'9' * 5000}", "state=lost", "cursor=zz",
     "page=2", "job_id=%00", "collection=A", "job_id="],
)  # fmt: skip
def test_bad_parameters(client, query):
    response = client.get(f"/v1/documents?{query}")
    assert response.status_code == 422
    assert response.json()["errors"][0]["path"] == f"?{query.split('=')[0]}"


def test_document_and_its_text(client, services):
    [document] = upload(client, NOTE).json()["documents"]
    url = f"/v1/documents/{document['id']}"
    assert client.get(url, params={"include": "text"}).json()["text"] is None
    index(services, document["id"], text="# Nötes")
    found = client.get(url, params={"include": "text"}).json()
    assert found["text"] == "# Nötes"
    assert (found["state"], found["searchable"], found["chunks"]) == ("indexed", True, 2)
    assert found["metadata"] == {"author": "Ann"}
    assert found["created_at"].endswith("Z")
    assert client.get(url).json()["text"] is None
    assert client.get(url, params={"include": "all"}).status_code == 422


def test_delete(client, services):
    [document] = upload(client, NOTE).json()["documents"]
    index(services, document["id"])
    url = f"/v1/documents/{document['id']}"
    response = client.delete(url)
    assert (response.status_code, response.content) == (204, b"")
    assert client.get(url).status_code == 404
    assert client.delete(url).status_code == 404
    physical = collections.get(services.engine, "default").physical
    assert ("delete_versions", physical, {document["id"]: None}) in services.vectors.calls
    with pytest.raises(NotFound):
        services.blobs.get(f"text/{document['id']}/v1")


def test_delete_hides_also_when_the_vector_store_is_down(client, services):
    [document] = upload(client, NOTE).json()["documents"]
    services.vectors.error = VectorStoreUnavailable("Down.", "")
    assert client.delete(f"/v1/documents/{document['id']}").status_code == 204
    assert client.get(f"/v1/documents/{document['id']}").status_code == 404
    assert [row.id for row in documents.unpurged(services.engine, "default")] == [document["id"]]


def test_documents_of_others_are_not_there(client, services):
    upload(client, NOTE)
    source = UploadsConnector(collection="default", blobs=services.blobs).source_id
    secret = DocumentRef(source, "upload:s", "secret", "1", 1, principals=("user:ann",))
    listing.list_documents(
        services.engine, [secret], collection="default", job_id="j", max_attempts=1
    )
    listed = client.get("/v1/documents").json()["documents"]
    assert [document["name"] for document in listed] == ["notes.md"]
    url = f"/v1/documents/{secret.document_id}"
    missing = client.get("/v1/documents/" + "0" * 32).json()
    for response in (client.get(url), client.delete(url)):
        assert response.status_code == 404
        assert response.json()["detail"] == missing["detail"].replace("0" * 32, secret.document_id)
    assert documents.get(services.engine, secret.document_id).state == "pending"


def test_unknown_document(client):
    response = client.get("/v1/documents/nothing")
    assert (response.status_code, response.json()["code"]) == (404, "document_not_found")


def test_body_is_json_as_sent(client):
    text = "ünï ☃ \U0001f600"
    [document] = upload(client, {"name": "u.md", "text": text}).json()["documents"]
    found = client.get(f"/v1/documents/{document['id']}").json()
    assert found["size"] == len(text.encode())
