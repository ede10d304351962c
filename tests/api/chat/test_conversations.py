"""`/v1/conversations`: for whoever asked, and no more than may be seen now."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from smartypants.api.services import Services
from smartypants.auth.roles import Role
from smartypants.ledger import grants
from tests.api.chat.client import Script, chat, whole
from tests.api.chat.conftest import Serve
from tests.auth.conftest import key_of, required
from tests.ledger.conftest import Source

Headers = dict[str, str]
Asks = Callable[..., str]


@pytest.fixture
def ledger_url(either_ledger: str) -> str:
    return either_ledger


@pytest.fixture
def url(serve: Serve, services: Services) -> str:
    return serve(required(services))


@pytest.fixture
def app(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url) as client:
        yield client


@pytest.fixture
def ask(url: str) -> Asks:
    """Asks a question and waits for its end; the conversation."""

    def asking(headers: Headers, question: str = "How long?", **fields: Any) -> str:
        with chat(url, headers) as client:
            client.ask(question, **fields)
            return str(client.hear_until("end")[-1]["conversation"])

    return asking


def test_listed_in_pages_renamed_and_deleted(
    services: Services, app: httpx.Client, ask: Asks
) -> None:
    ann = key_of(services.engine, "ann")
    made = [ask(ann, f"Question {number}?") for number in range(5)]
    ask(ann, "One more?", conversation=made[0])
    found, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = app.get("/v1/conversations", params=params, headers=ann).json()
        found += [row["id"] for row in page["conversations"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == [made[0], *reversed(made[1:])]
    path = f"/v1/conversations/{made[0]}"
    renamed = app.put(path, json={"title": " Leases "}, headers=ann)
    assert (renamed.status_code, renamed.json()["title"]) == (200, "Leases")
    read = app.get(path, headers=ann).json()
    assert [turn["question"] for turn in read["turns"]] == ["Question 0?", "One more?"]
    assert read["title"] == "Leases"
    for title in ("", " ", "x" * 201, "a\0b", 1):
        assert app.put(path, json={"title": title}, headers=ann).status_code == 422
    assert app.delete(path, headers=ann).status_code == 204
    assert app.delete(path, headers=ann).status_code == 404
    assert app.get(path, headers=ann).json()["code"] == "conversation_not_found"


def test_others_find_nothing_there(
    services: Services, url: str, app: httpx.Client, ask: Asks
) -> None:
    ann = key_of(services.engine, "ann")
    bob, root = key_of(services.engine, "bob"), key_of(services.engine, "root", Role.ADMIN)
    conversation = ask(ann)
    path = f"/v1/conversations/{conversation}"
    for other in (bob, root):
        assert app.get("/v1/conversations", headers=other).json()["conversations"] == []
        for response in (
            app.get(path, headers=other),
            app.put(path, json={"title": "Mine"}, headers=other),
        ):
            assert (response.status_code, response.json()["code"]) == (
                404,
                "conversation_not_found",
            )
        with chat(url, other) as client:
            for message in (
                {"type_": "ask", "id": "a", "question": "x", "conversation": conversation},
                {"type_": "resume", "conversation": conversation},
                {"type_": "cancel", "conversation": conversation},
            ):
                client.send(**message)
                assert client.hear()["problem"]["code"] == "conversation_not_found"
    assert app.delete(path, headers=bob).status_code == 404
    assert app.delete(path, headers=root).status_code == 204  # unread
    assert app.get(path, headers=ann).status_code == 404


def test_what_may_not_be_read_any_more_is_withheld(
    services: Services, url: str, app: httpx.Client, ask: Asks, source: Source, script: Script
) -> None:
    ann = key_of(services.engine, "ann")
    conversation = ask(ann)
    path = f"/v1/conversations/{conversation}"

    def turns() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = app.get(path, headers=ann).json()["turns"]
        return found

    assert turns()[0]["answer"] == whole(script)

    def check_withheld() -> None:
        [turn] = turns()
        assert turn["withheld"]
        assert turn["question"] == "How long?"
        assert "months" not in str(turn)
        assert turn["citations"] == []
        with chat(url, ann) as client:
            client.send("resume", conversation=conversation, after=1)
            end = client.hear()
            assert (end["type"], end["result"]) == ("end", turn)

    source.list(source.ref("lease.md", principals=("user:bob",)))
    check_withheld()
    source.list(source.ref("lease.md", principals=("public",)))
    assert turns()[0]["answer"] == whole(script)
    grants.give(services.engine, "default", "user:bob", Role.READER)
    check_withheld()
    grants.take(services.engine, "default", "user:bob")
    source.delete("lease.md")
    check_withheld()


def test_what_may_not_be_read_any_more_is_not_told_to_the_model(
    services: Services, ask: Asks, source: Source, script: Script
) -> None:
    """And an answer that may repeat an earlier one is withheld with it."""
    ann = key_of(services.engine, "ann")
    source.list("lease.md", "rules.md")
    source.index("rules.md")
    conversation = ask(ann, "First?")
    script.document_id = source.id_of("rules.md")
    ask(ann, "Second?", conversation=conversation)
    assert len(script.asked[1].query.history) == 2
    source.list(source.ref("lease.md", principals=("user:bob",)), "rules.md")
    ask(ann, "Third?", conversation=conversation)
    assert script.asked[2].query.history == ()


def test_an_answer_tells_of_what_its_history_told(
    services: Services, app: httpx.Client, ask: Asks, source: Source, script: Script
) -> None:
    ann = key_of(services.engine, "ann")
    source.list("lease.md", "rules.md")
    source.index("rules.md")
    conversation = ask(ann, "First?")
    script.document_id = source.id_of("rules.md")
    ask(ann, "Second?", conversation=conversation)
    source.list(source.ref("lease.md", principals=("user:bob",)), "rules.md")
    turns = app.get(f"/v1/conversations/{conversation}", headers=ann).json()["turns"]
    assert [turn["withheld"] for turn in turns] == [True, True]


def test_without_authentication_there_is_one_owner(serve: Serve) -> None:
    url = serve()
    with chat(url) as client:
        client.ask()
        conversation = client.hear_until("end")[-1]["conversation"]
    [listed] = httpx.get(f"{url}/v1/conversations").json()["conversations"]
    assert listed["id"] == conversation


def test_a_key_without_the_scope(services: Services, url: str, app: httpx.Client) -> None:
    headers = key_of(services.engine, "ann", Role.READER, ["account"])
    assert app.get("/v1/conversations", headers=headers).status_code == 403
    with connect(f"{url.replace('http', 'ws')}/v1/chat", additional_headers=headers) as socket:
        assert json.loads(socket.recv())["problem"]["code"] == "forbidden"
