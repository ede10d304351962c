"""Recipes of collections, and what users say of hits."""

from __future__ import annotations

import pytest

from smartypants.ledger import acls, collections, feedback, recipes
from smartypants.ledger import schema as tables
from smartypants.recipes import Recipe
from tests.api.test_documents import NOTE, upload

URL = "/v1/collections/default/recipe"


@pytest.fixture
def document(client, services):
    return upload(client, NOTE).json()["documents"][0]["id"]


def test_the_settings_until_there_is_one(client, services, document):
    found = client.get(URL).json()
    assert found["own"] is False
    assert found["recipe"] == services.settings.retrieval.model_dump(mode="json")
    assert (found["evidence"], found["history"]) == (None, [])


def test_set_and_reset(client, services, document):
    before = collections.get(services.engine, "default").epoch
    response = client.put(URL, json={"dense_weight": 0.7, "rerank": False})
    assert response.status_code == 200
    found = response.json()
    wanted = Recipe(dense_weight=0.7, rerank=False)
    assert found["own"] is True
    assert (found["version"], found["recipe"]) == (wanted.version, wanted.model_dump(mode="json"))
    assert collections.get(services.engine, "default").epoch > before
    recipes.activate(services.engine, "default", Recipe(), evidence={"chosen": "x"})
    found = client.get(URL).json()
    assert found["evidence"] == {"chosen": "x"}
    assert [item["active"] for item in found["history"]] == [True, False]
    assert client.delete(URL).status_code == 204
    assert client.get(URL).json()["own"] is False
    assert recipes.active(services.engine, "default") is None


@pytest.mark.parametrize(
    "body", [{"dense_weight": 2}, {"fusion": "best"}, {"of_the_future": 1}, {"rrf_k": 0}, []]
)
def test_bad_recipes(client, services, document, body):
    assert client.put(URL, json=body).status_code == 422
    assert recipes.active(services.engine, "default") is None


def test_of_no_collection(client):
    assert client.get("/v1/collections/nothing/recipe").status_code == 404
    assert client.put("/v1/collections/nothing/recipe", json={}).status_code == 404
    assert client.delete("/v1/collections/nothing/recipe").status_code == 404


def test_feedback_is_kept(client, services, document):
    body = {"query": "buy what?", "document_id": document, "chunk_id": "c", "relevant": True}
    response = client.post("/v1/feedback", json=body)
    assert response.status_code == 201
    assert response.json()["id"]
    assert feedback.grades(services.engine, "default") == {"buy what?": {document: 1}}


def test_feedback_on_what_may_not_be_read_is_refused(client, services, document):
    with services.engine.begin() as connection:
        ann = acls.acl_id(connection, ["user:ann"])
        connection.execute(tables.documents.update().values(acl_id=ann))
    hidden = client.post(
        "/v1/feedback", json={"query": "x", "document_id": document, "relevant": True}
    )
    missing = client.post(
        "/v1/feedback", json={"query": "x", "document_id": "0" * 32, "relevant": True}
    )
    assert (hidden.status_code, missing.status_code) == (404, 404)
    assert hidden.json()["detail"] == missing.json()["detail"].replace("0" * 32, document)
    assert feedback.grades(services.engine, "default") == {}


@pytest.mark.parametrize(
    "change", [{"relevant": "yes"}, {"query": " "}, {"collection": "other"}, {"stars": 5}]
)
def test_bad_feedback(client, services, document, change):
    body = {"query": "x", "document_id": document, "relevant": True} | change
    assert client.post("/v1/feedback", json=body).status_code in (404, 422)
    assert feedback.grades(services.engine, "default") == {}
