"""`GET /v1/usage` and `smartypants usage`: one's own, everybody's, and as tables."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from smartypants.api.app import create_app
from smartypants.api.services import Services
from smartypants.auth.roles import Role
from smartypants.cli.output import FAILED
from smartypants.ledger import audit, usage, users
from smartypants.ledger.audit import Wanted as WantedRecords
from smartypants.ledger.database import connect
from smartypants.metering import forms, payer
from smartypants.metering.counts import Bucket, Sums
from smartypants.metering.payer import Payer
from tests.auth.conftest import key_of, required
from tests.cli.test_access import Command, told

SEARCHED = {"query": "notice period"}
CALL = Sums(calls=1, prompt_tokens=100, completion_tokens=20, cost=0.5)


@pytest.fixture
def closed(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(required(services))) as client:
        yield client


def used(engine: Engine, user_id: str, model: str, sums: Sums = CALL) -> None:
    who = Payer(user_id, "", "k" * 16, "/v1/answers", "docs")
    usage.add(engine, {Bucket.at(time.time(), who, "p", model): sums})


def rows(client: TestClient, headers: dict[str, str], **params: Any) -> list[dict[str, Any]]:
    response = client.get("/v1/usage", params=params, headers=headers)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["usage"]
    return found


def test_requests_are_counted_by_route_and_collection(services: Services) -> None:
    ann = key_of(services.engine, "ann")
    with TestClient(create_app(required(services))) as client:
        for _ in range(3):
            client.post("/v1/search", json=SEARCHED, headers=ann)
        client.post("/v1/search", json=SEARCHED | {"collection": "other"}, headers=ann)
        client.get("/v1/me", headers=ann)
        client.get("/v1/users", headers=ann)  # refused, and a request all the same
        client.get("/v1/nothing", headers=ann)
        client.get("/v1/me")  # of nobody
        client.get("/healthz")
    found = usage.totals(services.engine, usage.Wanted(), ("key", "collection", "route"), limit=99)
    key_id = ann["Authorization"].split("_")[1]
    assert {each.group: each.sums.requests for each in found} == {
        (key_id, "default", "/v1/search"): 3,
        (key_id, "other", "/v1/search"): 1,
        (key_id, "", "/v1/me"): 1,
        (key_id, "", "/v1/users"): 1,
        (key_id, "", ""): 1,
    }


def test_what_stands_behind_knows_whose_account_it_is(services: Services) -> None:
    """The graph hands the payer on to the parts that use something up."""
    from dataclasses import replace

    seen: list[Payer] = []

    async def search(query: Any) -> Any:
        seen.append(payer.current())
        return await services.search(query)

    watched = replace(required(services), search=search)
    ann = key_of(services.engine, "ann")
    with TestClient(create_app(watched)) as client:
        client.post("/v1/search", json=SEARCHED, headers=ann)
    user = users.named(services.engine, "ann")
    key_id = ann["Authorization"].split("_")[1]
    assert seen == [Payer(user.id, "ann", key_id, "/v1/search", "default")]
    assert payer.current() == payer.NOBODY


def test_ones_own_and_everybodys(services: Services, closed: TestClient) -> None:
    engine = services.engine
    ann, root = key_of(engine, "ann"), key_of(engine, "root", Role.ADMIN)
    mine = users.named(engine, "ann").id
    used(engine, mine, "small")
    used(engine, mine, "large", Sums(calls=1, prompt_tokens=7, unpriced=1))
    used(engine, "gone", "small")
    found = rows(closed, ann, group_by="model", route="/v1/answers")
    assert [(row["model"], row["prompt_tokens"], row["cost"]) for row in found] == [
        ("large", 7, None), ("small", 100, 0.5),
    ]  # fmt: skip
    assert found[0]["unpriced"] == 1
    assert found[0]["day"] is None
    everybody = rows(closed, root, group_by="user", route="/v1/answers")
    assert {row["user"]: row["calls"] for row in everybody} == {"ann": 2, "gone": 1}
    assert rows(closed, root, user="ann", group_by="user", route="/v1/answers")[0]["calls"] == 2
    assert rows(closed, ann, user="ann", group_by="user", route="/v1/answers")[0]["calls"] == 2
    refused = closed.get("/v1/usage?user=root", headers=ann)
    assert refused.status_code == 403
    assert closed.get("/v1/usage?user=nobody", headers=root).status_code == 404
    assert closed.get("/v1/usage").status_code == 401


def test_pages(services: Services, closed: TestClient) -> None:
    engine, root = services.engine, key_of(services.engine, "root", Role.ADMIN)
    for number in range(7):
        used(engine, f"user{number}", f"m{number % 2}")
    seen: list[tuple[str, str]] = []
    params: dict[str, Any] = {"group_by": "model,user", "limit": 3, "route": "/v1/answers"}
    while True:
        answer = closed.get("/v1/usage", params=params, headers=root).json()
        seen += [(row["user"], row["model"]) for row in answer["usage"]]
        if answer["next_cursor"] is None:
            break
        params["cursor"] = answer["next_cursor"]
    assert seen == [(f"user{number}", f"m{number % 2}") for number in range(7)]


@pytest.mark.parametrize(
    "params",
    [{"group_by": "nothing"}, {"group_by": "day,day"}, {"limit": 0}, {"format": "xml"},
     {"since": "yesterday"}, {"colection": "x"}],
)  # fmt: skip
def test_wrong_parameters(services: Services, closed: TestClient, params: Any) -> None:
    root = key_of(services.engine, "root", Role.ADMIN)
    assert closed.get("/v1/usage", params=params, headers=root).status_code == 422


def test_tables_over_http(services: Services, closed: TestClient) -> None:
    engine, root = services.engine, key_of(services.engine, "root", Role.ADMIN)
    used(engine, "ann", "=1+1")
    params = {"group_by": "user,model", "route": "/v1/answers"}
    by_parameter = closed.get("/v1/usage", params=params | {"format": "csv"}, headers=root)
    by_accept = closed.get("/v1/usage", params=params, headers=root | {"Accept": "text/csv"})
    assert by_parameter.text == by_accept.text
    assert by_accept.headers["content-type"].startswith("text/csv")
    [row] = csv.DictReader(io.StringIO(by_accept.text))
    assert (row["user"], row["model"], row["cost"]) == ("ann", "'=1+1", "0.5")
    lines = closed.get("/v1/usage", params=params | {"format": "jsonl"}, headers=root)
    assert json.loads(lines.text)["prompt_tokens"] == 100
    kinds = [each.event["class_name"] for each in audit.every(engine, WantedRecords())]
    deadline = time.monotonic() + 60
    while kinds.count("API Activity") < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
        kinds = [each.event["class_name"] for each in audit.every(engine, WantedRecords())]
    assert kinds.count("API Activity") == 3


def test_command(command: Command, sqlite_ledger: str, tmp_path: Path) -> None:
    engine = connect(sqlite_ledger)
    used(engine, "ann", "m")
    used(engine, "bob", "m", Sums(calls=2, unpriced=2))
    engine.dispose()
    [row] = told(command, "usage", "--by", "model")["usage"]
    assert (row["model"], row["calls"], row["cost"], row["unpriced"]) == ("m", 3, 0.5, 2)
    assert told(command, "usage", "--to", "2000-01-01")["usage"] == []
    assert "ann" in command("usage").stdout
    assert command("usage", "--by", "nothing").exit_code == FAILED
    assert command("usage", "--export", str(tmp_path / "x.xls")).exit_code == FAILED
    for suffix in forms.SUFFIXES:
        file = tmp_path / f"usage{suffix}"
        assert told(command, "usage", "--by", "user", "--export", str(file))["rows"] == 2
    [first, second] = pyarrow.parquet.read_table(tmp_path / "usage.parquet").to_pylist()
    assert (first["user"], first["cost"], second["cost"]) == ("ann", 0.5, None)
    lines = (tmp_path / "usage.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [first, second]
    table = list(csv.DictReader((tmp_path / "usage.csv").open(encoding="utf-8")))
    assert [(row["user"], row["cost"]) for row in table] == [("ann", "0.5"), ("bob", "")]
