"""`smartypants audit`: list, export and verify."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smartypants.cli.output import FAILED
from smartypants.ledger.database import connect
from tests.auditing.test_ledger import tamper
from tests.cli.test_access import Command, told


@pytest.fixture
def busy(command: Command) -> Command:
    """After some changes by whoever runs the tests."""
    told(command, "users", "create", "ann")
    told(command, "users", "role", "ann", "editor")
    told(command, "grants", "give", "contracts", "user:ann", "editor")
    return command


def test_operators_are_recorded_by_their_name(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOGNAME", "olga")
    from smartypants.auditing import source

    source._operator.cache_clear()
    told(command, "users", "create", "ann")
    source._operator.cache_clear()
    [event] = told(command, "audit", "list")["records"]
    assert event["actor"]["user"] == {"name": "olga", "type": "operator", "type_id": 3}
    assert "olga" in command("audit", "list").stdout


def test_verify(busy: Command) -> None:
    report = told(busy, "audit", "verify")
    assert (report["records"], report["faults"]) == (3, [])
    assert told(busy, "audit", "verify", "--anchor", report["anchor"])["faults"] == []
    assert "3 records, intact" in busy("audit", "verify").stdout


def test_verify_finds_what_was_cut_off(busy: Command, sqlite_ledger: str) -> None:
    anchor = told(busy, "audit", "verify")["anchor"]
    engine = connect(sqlite_ledger)
    tamper(engine, "DELETE FROM audit WHERE id = 3")
    engine.dispose()
    assert busy("audit", "verify").exit_code == 0
    result = busy("audit", "verify", "--anchor", anchor, "--json")
    assert result.exit_code == FAILED
    [fault] = json.loads(result.stdout)["faults"]
    assert fault["id"] == 3
    assert busy("audit", "verify", "--anchor", "nonsense").exit_code == FAILED


def test_export_can_be_verified_by_itself(busy: Command, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    exported = told(busy, "audit", "export", str(file))
    assert exported["records"] == 4  # the export is one
    anchor = exported["anchor"]
    verified = told(busy, "audit", "verify", "--file", str(file), "--anchor", anchor)
    assert (verified["records"], verified["faults"]) == (4, [])
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[1:]))  # a later part of the chain stands by itself
    assert told(busy, "audit", "verify", "--file", str(file))["faults"] == []
    first = "0:" + "0" * 64
    assert busy("audit", "verify", "--file", str(file), "--after", first).exit_code == FAILED
    for damaged in (
        lines[:1] + lines[2:],
        [lines[0].replace('"ann"', '"eve"'), *lines[1:]],
        [*lines[:-1], lines[-1][:-20] + "\n"],
    ):
        file.write_text("".join(damaged))
        assert busy("audit", "verify", "--file", str(file)).exit_code == FAILED


def test_a_part_of_it(busy: Command, tmp_path: Path) -> None:
    assert told(busy, "audit", "list", "--limit", "1")["records"][0]["entity"]["type"] == "grant"
    assert told(busy, "audit", "list", "--to", "2000-01-01")["records"] == []
    file = tmp_path / "none.jsonl"
    assert told(busy, "audit", "export", str(file), "--to", "2000-01-01")["records"] == 0
    assert busy("audit", "list", "--user", "nobody").exit_code == FAILED
