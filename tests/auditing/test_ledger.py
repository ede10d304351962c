"""The audit log in both databases: atomic with changes, in one chain, and only added to."""

from __future__ import annotations

import itertools
import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, func, insert, select, text
from sqlalchemy.exc import DatabaseError

from smartypants.auditing import events
from smartypants.auditing.chain import Report, verify
from smartypants.auditing.source import Source, acting
from smartypants.auth.roles import Role
from smartypants.errors import SetupError, SmartyPantsError
from smartypants.ledger import (
    api_keys,
    audit,
    collections,
    grants,
    groups,
    jobs,
    prompts,
    recipes,
    safety,
    sessions,
    users,
)
from smartypants.ledger.audit import Wanted
from smartypants.ledger.audit_schema import audit as table
from smartypants.ledger.database import connect, reading
from smartypants.prompts.defaults import default_prompt
from smartypants.prompts.kinds import Kind
from smartypants.prompts.shares import Share
from smartypants.recipes import Recipe
from tests.auditing.children import EACH, append, note
from tests.ledger.conftest import Source as DocumentSource

ANN = Source("person", "ann", user_id="a" * 32, key_id="k" * 16, ip="192.0.2.7",
             operation="POST /v1/x", request_id="r1")  # fmt: skip
PROCESSES = 4


def records(engine: Engine) -> list[dict[str, Any]]:
    return [record.event for record in audit.every(engine, Wanted())]


def whats(engine: Engine) -> list[tuple[str, str]]:
    return [
        (event.get("entity", {}).get("type", event["class_name"]), event["activity_name"])
        for event in records(engine)
    ]


def verified(engine: Engine, **more: Any) -> Report:
    return verify(audit.links(engine), **more)


def test_a_record_says_who_did_what_and_where(engine: Engine) -> None:
    with acting(ANN):
        grants.give(engine, "contracts", "group:legal", Role.EDITOR)
    [event] = records(engine)
    assert event["class_uid"] == 3004
    assert event["type_uid"] == 300401
    assert event["category_uid"] == 3
    assert event["actor"]["user"] == {
        "name": "ann", "uid": "a" * 32, "credential_uid": "k" * 16, "type": "person", "type_id": 1
    }  # fmt: skip
    assert event["src_endpoint"] == {"ip": "192.0.2.7"}
    assert event["api"] == {"operation": "POST /v1/x", "request": {"uid": "r1"}}
    assert event["entity"] == {"uid": "contracts", "type": "grant"}
    assert event["unmapped"] == {"principal": "group:legal", "role": "editor"}
    assert event["status_id"] == 1
    assert event["metadata"]["product"]["name"] == "SmartyPants"
    assert event["metadata"]["version"] == "1.8.0"
    assert event["metadata"]["sequence"] == 1


def test_every_change_of_access_is_recorded(engine: Engine) -> None:
    ann = users.create(engine, "ann", role=Role.READER)
    users.change(engine, "ann", role=Role.EDITOR, disabled=True)
    users.change(engine, "ann", disabled=False)
    users.link(engine, ann.id, ("https://issuer", "7"))
    users.rename(engine, ann, "anna")
    key, first = api_keys.create(engine, ann, name="k")
    new, second = api_keys.rotate(engine, key.id)
    api_keys.revoke(engine, new.id)
    groups.set_members(engine, "legal", [ann.id])
    groups.claim(engine, ann.id, ["eng"], origin="issuer")
    groups.remove(engine, "legal")
    grants.give(engine, "c", "public", Role.READER)
    grants.take(engine, "c", "public")
    secret = sessions.begin(engine, ann.id, absolute_s=60)
    sessions.end(engine, secret)
    assert whats(engine) == [
        ("Account Change", "Create"),
        ("User Access Management", "Assign Role"),
        ("Account Change", "Disable"),
        ("Account Change", "Enable"),
        ("Account Change", "Other"),
        ("Account Change", "Other"),
        ("api key", "Create"),
        ("api key", "Create"),
        ("api key", "Disable"),
        ("group", "Update"),
        ("Account Change", "Other"),
        ("group", "Delete"),
        ("grant", "Create"),
        ("grant", "Delete"),
        ("Authentication", "Logon"),
        ("Authentication", "Logoff"),
    ]
    kept = json.dumps(records(engine))
    for hidden in (first.text, first.secret, first.hash, second.secret, second.hash, secret):
        assert hidden not in kept
    assert verified(engine).faults == ()


def test_every_change_of_documents_and_configuration_is_recorded(source: DocumentSource) -> None:
    engine = source.engine
    recipes.activate(engine, "docs", Recipe())
    recipes.reset(engine, "docs")
    safety.put(engine, "docs", {"secrets": "remove"})
    safety.reset(engine, "docs")
    template = default_prompt(Kind.ANSWER).template
    stored = prompts.create(engine, Kind.ANSWER, template)
    prompts.activate(engine, Kind.ANSWER, [Share(stored.version, 1.0)])
    source.list("a.md", "b.md")
    source.index("a.md")
    source.list("a.md")  # as it was
    source.delete("a.md")
    job = jobs.submit(engine, "ingest", "docs", {"uri": "s3://user:word@bucket/x"})
    jobs.cancel(engine, job.id)
    jobs.retry(engine, job.id)
    collections.forget(engine, "docs")
    found = records(engine)
    assert whats(engine) == [
        ("collection", "Create"),
        ("recipe", "Activate"),
        ("recipe", "Delete"),
        ("safety overrides", "Update"),
        ("safety overrides", "Delete"),
        ("prompt", "Create"),
        ("prompt", "Activate"),
        ("Datastore Activity", "Write"),
        ("Datastore Activity", "Delete"),
        ("job", "Create"),
        ("job", "Update"),
        ("job", "Update"),
        ("Datastore Activity", "Delete"),
        ("collection", "Delete"),
    ]
    written, deleted = found[7], found[8]
    ids = sorted(source.id_of(name) for name in ("a.md", "b.md"))
    assert sorted(each["uid"] for each in written["resources"]) == ids
    assert [each["uid"] for each in deleted["resources"]] == [source.id_of("a.md")]
    assert "word" not in json.dumps(found)


def test_a_change_that_fails_leaves_no_record(engine: Engine) -> None:
    connection = engine.connect()
    audit.note(connection, events.changed("job", "Create", "1"))
    connection.rollback()
    connection.close()
    users.create(engine, "ann", role=Role.READER)
    with pytest.raises(SmartyPantsError):
        users.create(engine, "ann", role=Role.READER)
    with pytest.raises(SmartyPantsError):
        grants.take(engine, "c", "public")
    assert whats(engine) == [("Account Change", "Create")]


def test_processes_at_once_make_one_chain(engine: Engine, either_ledger: str) -> None:
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        pool.starmap(append, [(either_ledger, number) for number in range(PROCESSES)])
    report = verified(engine)
    assert (report.records, report.anchor.id, report.faults) == (
        PROCESSES * EACH, PROCESSES * EACH, (),
    )  # fmt: skip
    kept = {event["entity"]["uid"] for event in records(engine)}
    assert kept == {str(number) for number in range(PROCESSES * EACH)}


def test_changes_at_once_do_not_wait_for_each_other_in_a_circle(engine: Engine) -> None:
    def change(number: int) -> None:
        for _ in range(5):
            grants.give(engine, f"c{number % 2}", "public", Role.READER)
            groups.set_members(engine, f"g{number % 3}", [])
            note(engine, number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(8)))
    report = verified(engine)
    assert (report.records, report.faults) == (8 * 15, ())


STATEMENTS = [
    "UPDATE audit SET body = 'x' WHERE id = 2",
    "UPDATE audit SET user_id = 'somebody'",
    "DELETE FROM audit WHERE id = 3",
    "DELETE FROM audit",
    "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE id = 2",
    "TRUNCATE audit",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_database_refuses_to_change_a_record(engine: Engine, statement: str) -> None:
    for number in range(3):
        note(engine, number)
    before = records(engine)
    with pytest.raises((DatabaseError, SmartyPantsError)), engine.begin() as connection:
        connection.execute(text(statement))
    assert records(engine) == before
    note(engine, 3)
    assert verified(engine).records == 4


TAMPERED = {
    "body": 'UPDATE audit SET body = replace(body, \'"uid":"3"\', \'"uid":"9"\') WHERE id = 4',
    "column": "UPDATE audit SET user_id = 'somebody' WHERE id = 4",
    "time": "UPDATE audit SET time = time - 60 WHERE id = 4",
    "hash": "UPDATE audit SET hash = (SELECT hash FROM audit WHERE id = 3) WHERE id = 4",
    "removed": "DELETE FROM audit WHERE id = 4",
    "removed first": "DELETE FROM audit WHERE id <= 2",
    "reordered": "UPDATE audit SET id = CASE id WHEN 3 THEN -4 ELSE -3 END WHERE id IN (3, 4); "
    "UPDATE audit SET id = -id WHERE id < 0",
    "made up": "INSERT INTO audit SELECT id + 1, time, class_uid, activity_id, status_id, user_id, "
    "request_id, body, signed, hash FROM audit WHERE id = 6",
}


@pytest.mark.parametrize("how", TAMPERED)
def test_whoever_gets_around_that_is_found_out(engine: Engine, how: str) -> None:
    for number in range(6):
        note(engine, number)
    assert verified(engine).faults == ()
    tamper(engine, TAMPERED[how])
    assert verified(engine).faults


def tamper(engine: Engine, statements: str) -> None:
    """As somebody who owns the database."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            off: list[str] = []
        else:
            query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
            off = [row.sql for row in connection.execute(text(query)) if "ON audit" in row.sql]
            for name in ("updated", "deleted", "replaced"):
                connection.execute(text(f"DROP TRIGGER audit_not_{name}"))
        for statement in statements.split("; "):
            connection.execute(text(statement))
        for made in off:
            connection.execute(text(made))


def test_a_cut_tail_is_found_out_by_an_anchor(engine: Engine) -> None:
    for number in range(6):
        note(engine, number)
    anchor = verified(engine).anchor
    tamper(engine, "DELETE FROM audit WHERE id > 4")
    assert verified(engine).faults == ()
    assert [fault.id for fault in verified(engine, anchors=[anchor]).faults] == [6]


def test_records_are_signed_with_a_key(
    either_ledger: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIT_KEY", "s3cret")
    note(engine, 0)
    signing = connect(either_ledger)
    signing.update_execution_options(**{audit.KEY: "env:AUDIT_KEY"})
    note(signing, 1)
    assert verified(engine, secrets=["s3cret"]).faults == ()
    assert verified(engine, secrets=["guess"]).faults
    monkeypatch.delenv("AUDIT_KEY")
    with pytest.raises(SetupError):
        note(signing, 2)
    assert verified(engine).records == 2
    signing.dispose()


def found(engine: Engine, **wanted: Any) -> list[int]:
    return [each.link.id for each in audit.page(engine, Wanted(**wanted), before=None, limit=100)]


def test_what_is_asked_for(engine: Engine) -> None:
    with acting(ANN):
        note(engine, 1)
    note(engine, 2)
    users.create(engine, "bob", role=Role.READER)
    times = [event["time"] / 1000 for event in records(engine)]
    assert found(engine) == [3, 2, 1]
    assert found(engine, user_id="a" * 32) == [1]
    assert found(engine, class_uid=3001) == [3]
    assert found(engine, class_uid=3004, activity_id=1) == [2, 1]
    assert found(engine, status_id=2) == []
    assert found(engine, request_id="r1") == [1]
    assert found(engine, since=times[-1] + 1) == []
    assert found(engine, until=times[0]) == []
    assert [each.link.id for each in audit.page(engine, Wanted(), before=3, limit=1)] == [2]


def test_more_records_than_a_page(engine: Engine) -> None:
    """Read as a chain over pages, with the former hash across their borders."""
    with engine.begin() as connection:
        audit.note(connection, *(events.changed("job", "Create", str(n)) for n in range(1100)))
    every = list(audit.every(engine, Wanted()))
    assert len(every) == 1100
    pairs = itertools.pairwise(every)
    assert all(later.former == former.link.hash for former, later in pairs)
    assert verified(engine).records == 1100


def test_nothing_else_can_take_a_number(engine: Engine) -> None:
    note(engine, 1)
    with reading(engine) as connection:
        row = connection.execute(select(table)).one()
        assert connection.execute(select(func.max(table.c.id))).scalar() == 1
    again: Callable[[], Any] = lambda: dict(row._mapping)  # noqa: E731
    with pytest.raises((DatabaseError, SmartyPantsError)), engine.begin() as connection:
        connection.execute(insert(table).values(again()))
