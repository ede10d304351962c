"""Safety overrides of a collection over HTTP."""

from __future__ import annotations

import pytest

from smartypants.ledger import safety
from smartypants.settings import Settings
from tests.api.test_documents import NOTE, upload

URL = "/v1/collections/default/safety"


@pytest.fixture(autouse=True)
def _collection(client):
    upload(client, NOTE)


def test_set_show_reset(client, services):
    found = client.get(URL).json()
    assert (found["overrides"], found["changed_by"]) == (None, None)
    assert found["effective"] == Settings().safety.model_dump(mode="json")
    wanted = {"injection": {"policy": "drop"}, "blocked": {"terms": ["project heron"]}}
    response = client.put(URL, json=wanted)
    assert response.status_code == 200
    found = response.json()
    assert found["effective"]["injection"]["policy"] == "drop"
    assert found["effective"]["blocked"]["terms"] == ["project heron"]
    assert (found["overrides"]["injection"], found["changed_by"]) == ({"policy": "drop"}, "local")
    assert client.get(URL).json() == found
    stored = safety.get(services.engine, "default")
    assert stored.overrides == wanted
    assert client.delete(URL).status_code == 204
    assert client.get(URL).json()["overrides"] is None


@pytest.mark.parametrize("body", [{"secrets": "keep"}, {"x": 1}, [], {"max_repeats": "many"}])
def test_what_can_not_be_set(client, services, body):
    assert client.put(URL, json=body).status_code == 422
    assert safety.get(services.engine, "default") is None


def test_of_no_collection(client):
    for method in ("GET", "PUT", "DELETE"):
        body = {} if method == "PUT" else None
        url = URL.replace("default", "nothing")
        assert client.request(method, url, json=body).status_code == 404
