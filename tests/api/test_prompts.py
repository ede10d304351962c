"""Prompts over the API: versions, activation, rolling back, and what an answer says of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from smartypants.ledger import prompts
from smartypants.prompts.kinds import Kind
from smartypants.types import PromptRef
from tests.api.conftest import ANSWER, HIT
from tests.api.test_documents import NOTE, upload

TEXT = "{% for passage in passages %}\n{{ passage.text }}\n{% endfor %}\nQ: {{ question }}"
BODY = {"name": "answer", "messages": [{"role": "user", "content": TEXT}]}
URL = "/v1/prompts/answer"


def create(client, **more):
    response = client.post("/v1/prompts", json=BODY | more)
    assert response.status_code == 201, response.text
    return response.json()["version"]


def activate(client, *versions, **more):
    body = {"versions": [{"version": v, "share": 1 / len(versions)} for v in versions]}
    return client.post(f"{URL}/activate", json=body | more)


def test_the_packaged_until_there_is_one(client):
    found = client.get("/v1/prompts").json()["prompts"]
    assert [item["name"] for item in found] == ["answer", "rewrite", "expand"]
    assert all(item["active"] == [{"version": "default", "share": 1.0}] for item in found)
    assert not any(item["own"] for item in found)
    versions = client.get(URL).json()["versions"]
    assert [(item["version"][:8], item["created_at"]) for item in versions] == [("default-", None)]


def test_create_activate_and_roll_back(client, services):
    version = create(client, note="shorter")
    assert create(client, note="again") == version
    found = client.get(URL).json()
    assert (found["own"], found["active"][0]["version"]) == (False, "default")
    assert found["versions"][0]["note"] == "shorter"
    now = activate(client, version[:10], note="try it").json()
    assert (now["own"], now["active"]) == (True, [{"version": version, "share": 1.0}])
    assert now["activations"][0]["note"] == "try it"
    both = activate(client, version, "default").json()
    assert [item["share"] for item in both["active"]] == [0.5, 0.5]
    back = client.post(f"{URL}/rollback", json={}).json()
    assert back["active"] == now["active"]
    assert back["activations"][0]["restores"] == now["activations"][0]["id"]
    assert client.post(f"{URL}/rollback", json={}).json()["active"][0]["version"] == "default"
    assert client.post(f"{URL}/rollback", json={}).status_code == 409
    assert len(prompts.history(services.engine, Kind.ANSWER, None)) == 4


def test_of_a_collection(client, services):
    upload(client, NOTE)
    version = create(client, collection="default")
    assert activate(client, version).status_code == 404
    assert activate(client, version, collection="default").status_code == 200
    mine = client.get(URL, params={"collection": "default"}).json()
    assert (mine["own"], mine["active"][0]["version"]) == (True, version)
    assert client.get(URL).json()["active"][0]["version"] == "default"
    empty = client.post(f"{URL}/activate", json={"versions": [], "collection": "default"}).json()
    assert (empty["own"], empty["active"][0]["version"]) == (False, "default")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"messages": [{"role": "user", "content": "{{ question.__class__ }}"}]}, "prompt_invalid"),
        ({"messages": [{"role": "user", "content": "{{ question }}"}]}, "prompt_invalid"),
        ({"messages": [{"role": "system", "content": TEXT}]}, "prompt_invalid"),
        ({"variables": ["question"]}, "prompt_invalid"),
        ({"messages": [{"role": "user", "content": f"{'x ' * 3000}{TEXT}"}]}, "prompt_too_long"),
        ({"messages": []}, "validation_failed"),
        ({"name": "other"}, "validation_failed"),
    ],
)
def test_what_is_refused(client, services, change, code):
    response = client.post("/v1/prompts", json=BODY | change)
    assert (response.status_code, response.json()["code"]) == (422, code), response.text
    assert prompts.versions(services.engine, Kind.ANSWER, None) == []


def test_shares_have_to_sum_to_1(client):
    version = create(client)
    body = {"versions": [{"version": version, "share": 0.4}, {"version": "default", "share": 0.4}]}
    response = client.post(f"{URL}/activate", json=body)
    assert (response.status_code, response.json()["code"]) == (422, "validation_failed")


def test_nothing_there(client):
    assert activate(client, "0123456789").status_code == 404
    assert client.get("/v1/prompts/nothing").status_code == 422
    for scoped in ("/v1/prompts", URL):
        assert client.get(scoped, params={"collection": "nothing"}).status_code == 404
    assert client.post("/v1/prompts", json=BODY | {"collection": "nothing"}).status_code == 404


def test_preview_asks_no_model(client, backend):
    response = client.post(f"{URL}/preview", json={"question": "Why?"})
    assert response.status_code == 200, response.text
    found = response.json()
    assert found["version"].startswith("default-")
    assert found["messages"][-1]["content"].endswith("Why?")
    assert (found["passages"], backend.queries, backend.answers) == (2, [], [])
    assert 0 < found["tokens"] < found["room"] == 1000 - 128
    draft = {"question": "Why?", "messages": BODY["messages"], "search": True}
    found = client.post(f"{URL}/preview", json=draft).json()
    assert found["messages"] == [{"role": "user", "content": f"{HIT.chunk.text}\nQ: Why?"}]
    assert len(backend.queries) == 1
    version = create(client)
    stored = client.post(f"{URL}/preview", json={"question": "Why?", "version": version}).json()
    assert stored["messages"][0]["content"].endswith("Q: Why?")
    for name in ("rewrite", "expand"):
        other = client.post(f"/v1/prompts/{name}/preview", json={"question": "Why?"}).json()
        assert "Why?" in other["messages"][-1]["content"]


def test_bad_previews(client):
    both = {"question": "Why?", "messages": BODY["messages"], "version": "default"}
    assert client.post(f"{URL}/preview", json=both).status_code == 400
    attack = [{"role": "user", "content": "{{ cycler.__init__.__globals__ }}"}]
    response = client.post(f"{URL}/preview", json={"question": "Why?", "messages": attack})
    assert (response.status_code, response.json()["code"]) == (422, "prompt_invalid")
    long = [{"role": "user", "content": f"{'x ' * 3000}{TEXT}"}]
    response = client.post(f"{URL}/preview", json={"question": "Why?", "messages": long})
    assert (response.status_code, response.json()["code"]) == (422, "prompt_too_long")


def test_answers_say_which_prompt_made_them(client, services, remade):
    assert client.post("/v1/answers", json={"question": "x"}).json()["prompt"] is None
    made = replace(ANSWER, prompt=PromptRef("answer", "v7"))

    async def answer(_):
        yield made

    other = remade(answer=answer)
    found = other.post("/v1/answers", json={"question": "x"}).json()
    assert found["prompt"] == {"name": "answer", "version": "v7"}
