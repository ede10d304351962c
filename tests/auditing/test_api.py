"""What requests leave in the audit log, and who may read it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from smartypants.api.app import create_app
from smartypants.api.services import Services
from smartypants.auditing.chain import verify
from smartypants.auditing.settings import AuditSettings
from smartypants.auth.roles import Role
from smartypants.ledger import audit, commits, turn_leases, turns, users
from smartypants.ledger.audit import Wanted
from smartypants.ledger.turn_leases import Outcome
from smartypants.ledger.turns import TurnState
from tests.api.conftest import CHUNK
from tests.api.test_documents import index
from tests.auth.conftest import bearer, key_of, required

Open = Callable[..., TestClient]
WAIT_S = 5.0
SEARCHED = {"query": "notice period"}


@pytest.fixture
def opened(services: Services) -> Iterator[Open]:
    """Makes clients of apps that ask who is there, with these settings of the audit."""
    clients: list[TestClient] = []

    def make(**chosen: Any) -> TestClient:
        asked = required(services)
        settings = asked.settings.model_copy(update={"audit": AuditSettings(**chosen)})
        client = TestClient(create_app(replace(asked, settings=settings)))
        clients.append(client)
        client.__enter__()
        return client

    yield make
    for client in clients:
        client.__exit__(None, None, None)


def records(engine: Engine, **wanted: Any) -> list[dict[str, Any]]:
    return [record.event for record in audit.every(engine, Wanted(**wanted))]


def waited(engine: Engine, count: int, **wanted: Any) -> list[dict[str, Any]]:
    """As many records as are to come, and no more."""
    deadline = time.monotonic() + WAIT_S
    while len(found := records(engine, **wanted)) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(found) == count, found
    return found


def test_who_saw_which_documents(opened: Open, services: Services) -> None:
    client, ann = opened(), key_of(services.engine, "ann")
    headers = ann | {"X-Request-Id": "r-1", "User-Agent": "tests/1"}
    assert client.post("/v1/search", json=SEARCHED, headers=headers).status_code == 200
    [event] = waited(services.engine, 1, class_uid=6005)
    assert event["activity_name"] == "Query"
    assert event["databucket"]["name"] == "default"
    assert event["resources"] == [{"uid": CHUNK.document_id, "type": "document"}]
    assert event["actor"]["user"]["name"] == "ann"
    assert event["actor"]["user"]["credential_uid"] == ann["Authorization"].split("_")[1]
    assert event["api"] == {"operation": "POST /v1/search", "request": {"uid": "r-1"}}
    assert event["src_endpoint"] == {"ip": "testclient"}
    assert event["http_request"] == {"user_agent": "tests/1"}
    assert event["query_info"]["query_string"].startswith("sha256:")
    assert "notice" not in json.dumps(event)
    assert ann["Authorization"].split("_", 2)[2] not in json.dumps(records(services.engine))


@pytest.mark.parametrize("stream", [False, True])
def test_answers_show_documents_too(
    opened: Open,
    services: Services,
    stream: bool,
) -> None:
    client, ann = opened(queries="kept"), key_of(services.engine, "ann")
    body = {"question": "notice period", "stream": stream}
    assert client.post("/v1/answers", json=body, headers=ann).status_code == 200
    [event] = waited(services.engine, 1, class_uid=6005)
    assert event["query_info"] == {"query_string": "notice period"}
    assert [each["uid"] for each in event["resources"]] == [CHUNK.document_id]


def test_queries_are_hashed_with_the_key(
    opened: Open,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AUDIT_KEY", "s3cret")
    client, ann = opened(key="env:AUDIT_KEY", reads="strict"), key_of(services.engine, "ann")
    client.post("/v1/search", json=SEARCHED, headers=ann)
    [event] = records(services.engine, class_uid=6005)
    assert event["query_info"]["query_string"].startswith("hmac:")


def test_strict_records_are_there_before_the_answer(
    opened: Open,
    services: Services,
) -> None:
    client, ann = opened(reads="strict"), key_of(services.engine, "ann")
    for number in range(1, 4):
        client.post("/v1/search", json=SEARCHED, headers=ann)
        assert len(records(services.engine, class_uid=6005)) == number


def test_nothing_is_shown_that_could_not_be_recorded(
    opened: Open,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The signing key is away: a record can't be made, so nothing is shown in strict mode."""
    client, ann = opened(reads="strict", queries="kept"), key_of(services.engine, "ann")
    services.engine.update_execution_options(**{audit.KEY: "env:NO_SUCH_KEY"})
    response = client.post("/v1/search", json=SEARCHED, headers=ann)
    assert response.status_code == 500
    assert "Three months" not in response.text


def test_documents_one_by_one_and_in_lists(
    opened: Open,
    services: Services,
) -> None:
    client, ann = opened(reads="strict"), key_of(services.engine, "ann", Role.EDITOR)
    body = {"documents": [{"name": "a.md", "text": "x"}]}
    accepted = client.post("/v1/documents", json=body, headers=ann).json()["documents"][0]["id"]
    path = f"/v1/documents/{accepted}"
    client.get(path, headers=ann)
    client.get(f"{path}/versions", headers=ann)
    client.get(f"{path}/related", headers=ann)
    client.get("/v1/documents", headers=ann)
    client.delete(path, headers=ann)
    found = records(services.engine, class_uid=6005)
    assert [event["activity_name"] for event in found] == [
        "Write", "Read", "Read", "Read", "List", "Delete",
    ]  # fmt: skip
    for event in found:
        assert [each["uid"] for each in event["resources"]] == [accepted]
        assert event["actor"]["user"]["name"] == "ann"


def test_exports_and_conversations_show_documents(opened: Open, services: Services) -> None:
    engine = services.engine
    client, ann = opened(reads="strict"), key_of(engine, "ann", Role.ADMIN)
    body = {"documents": [{"name": "a.md", "text": "x"}]}
    uploaded = client.post("/v1/documents", json=body, headers=ann).json()["documents"][0]["id"]
    index(services, uploaded)
    owner = users.named(engine, "ann").id
    asked = turns.Asked(
        owner=owner, ask_id="1", fingerprint="", question="How long?", conversation_id=None,
        collection=None, runner="r", lease_s=60, max_turns=9,
    )  # fmt: skip
    turn, _ = turns.begin(engine, asked)
    finished = Outcome(TurnState.FINISHED, "Three months.", sources=[uploaded])
    turn_leases.finish(engine, turn, finished)
    before = len(records(engine, class_uid=6005))
    exported = client.get("/v1/collections/default/export", headers=ann)
    assert uploaded in exported.text
    read = client.get(f"/v1/conversations/{turn.conversation_id}", headers=ann).json()
    assert read["turns"][0]["answer"] == "Three months."
    commits.mark_deleted(engine, "default", [uploaded])  # what is withheld was not seen
    client.get(f"/v1/conversations/{turn.conversation_id}", headers=ann)
    shown = [each for each in records(engine, class_uid=6005)[before:] if each["activity_id"] == 1]
    assert [each["unmapped"]["shown"] for each in shown] == ["export", "conversation"]
    for event in shown:
        assert [each["uid"] for each in event["resources"]] == [uploaded]
        assert event["databucket"]["name"] == "default"


def test_whoever_is_refused(opened: Open, services: Services) -> None:
    client, ann = opened(), key_of(services.engine, "ann")
    assert client.get("/v1/users", headers=ann).status_code == 403
    [denied] = waited(services.engine, 1, class_uid=6003)
    assert denied["status_id"] == 2
    assert denied["status_code"] == "forbidden"
    assert denied["actor"]["user"]["name"] == "ann"
    assert denied["api"]["operation"] == "GET /v1/users"
    wrong = bearer("sp_" + "0" * 16 + "_" + "A" * 43)
    assert client.get("/v1/users", headers=wrong).status_code == 401
    [failed] = waited(services.engine, 1, class_uid=3002, status_id=2)
    assert failed["status_code"] == "credentials_invalid"
    assert failed["src_endpoint"] == {"ip": "testclient"}
    assert "A" * 43 not in json.dumps(failed)
    assert client.get("/v1/users").status_code == 401  # nobody said anything
    assert client.get("/auth/callback/none?state=x").status_code == 404
    waited(services.engine, 1, class_uid=3002, status_id=2)


def test_trying_again_and_again_fills_no_disk(
    opened: Open,
    services: Services,
) -> None:
    client = opened()
    tries = 200
    for _ in range(tries):
        client.get("/v1/users", headers=bearer("x"))

    def total() -> int:
        failed = records(services.engine, class_uid=3002, status_id=2)
        return sum(event.get("count", 1) for event in failed)

    deadline = time.monotonic() + WAIT_S
    while total() < tries and time.monotonic() < deadline:
        time.sleep(0.05)
    assert total() == tries
    assert len(records(services.engine, class_uid=3002)) < tries / 2


def test_what_waits_is_written_before_the_app_ends(services: Services) -> None:
    ann = key_of(services.engine, "ann")
    with TestClient(create_app(required(services))) as client:
        for _ in range(20):
            client.post("/v1/search", json=SEARCHED, headers=ann)
    assert len(records(services.engine, class_uid=6005)) == 20
    assert verify(audit.links(services.engine)).faults == ()


def test_where_nobody_is_known_reads_are_not_recorded(services: Services) -> None:
    with TestClient(create_app(services)) as client:
        client.post("/v1/search", json=SEARCHED)
        client.put("/v1/groups/legal", json={"members": []})
    [event] = records(services.engine)
    assert event["entity"] == {"uid": "legal", "type": "group"}
    assert event["actor"]["user"]["type"] == "local"


def test_only_those_with_the_permission_read_it(
    opened: Open,
    services: Services,
) -> None:
    client = opened(reads="off")
    root = key_of(services.engine, "root", Role.ADMIN)
    collector = key_of(services.engine, "siem", Role.SERVICE, ["audit:read"])
    for name, role in (("ann", Role.READER), ("bob", Role.EDITOR)):
        assert (
            client.get("/v1/audit", headers=key_of(services.engine, name, role)).status_code == 403
        )
    everything = records(services.engine)
    first = client.get("/v1/audit?limit=3", headers=root).json()
    ids = [event["metadata"]["sequence"] for event in first["records"]]
    assert ids == [len(everything), len(everything) - 1, len(everything) - 2]
    cursor = first["next_cursor"]
    rest = client.get("/v1/audit", params={"cursor": cursor}, headers=collector).json()
    assert len(rest["records"]) == len(everything) - 3
    assert rest["next_cursor"] is None
    links = [event["unmapped"]["chain"] for event in first["records"]]
    assert links[0]["former"] == links[1]["hash"]


def test_filters(opened: Open, services: Services) -> None:
    client, root = opened(reads="off"), key_of(services.engine, "root", Role.ADMIN)
    client.put("/v1/groups/legal", json={"members": []}, headers=root | {"X-Request-Id": "r-9"})

    def count(**params: Any) -> int:
        answer = client.get("/v1/audit", params=params, headers=root)
        assert answer.status_code == 200, answer.text
        return len(answer.json()["records"])

    assert count(user="root") == 1
    assert count(request="r-9") == 1
    assert count(class_uid=3001) == 1
    assert count(class_uid=3004, activity_id=3) == 1
    assert count(status_id=2) == 0
    assert count(since="2100-01-01T00:00:00Z") == 0
    assert count(until="2000-01-01T00:00:00Z") == 0
    assert client.get("/v1/audit?user=nobody", headers=root).status_code == 404
    assert client.get("/v1/audit?limit=0", headers=root).status_code == 422


def test_export_over_http(opened: Open, services: Services) -> None:
    client, root = opened(reads="strict"), key_of(services.engine, "root", Role.ADMIN)
    answer = client.get("/v1/audit?format=jsonl", headers=root)
    assert answer.headers["content-type"].startswith("application/jsonl")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["metadata"]["sequence"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[-1]["class_name"] == "API Activity"  # the export itself
