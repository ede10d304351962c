"""`smartypants keys`, `users`, `groups`, `grants`, and who is let near the port."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deployments.app import app_from_environment
from deployments.cli import app
from smartypants.auth.exposure import check_exposure
from smartypants.auth.secrets import KeySecret
from smartypants.auth.settings import IssuerSettings, is_loopback
from smartypants.cli import client
from smartypants.errors import SetupError
from smartypants.ledger import api_keys
from smartypants.ledger.database import connect
from smartypants.settings import Settings
from tests.canaries import canary

Command = Callable[..., Result]


@pytest.fixture
def command(sqlite_ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SMARTYPANTS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SMARTYPANTS_LEDGER__URL", sqlite_ledger)
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, list(arguments))


def told(command: Command, *arguments: str) -> dict[str, Any]:
    result = command(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_keys(command: Command, sqlite_ledger: str) -> None:
    first = command("keys", "bootstrap")
    secret = KeySecret.parse(first.stdout.strip())
    assert secret is not None  # the key alone is on standard output
    assert command("keys", "bootstrap").exit_code == 1
    made = told(command, "keys", "create", "crawl", "--service", "crawler",
                "--scope", "documents:read", "--expires", "30")  # fmt: skip
    assert (made["user"], made["scopes"]) == ("crawler", ["documents:read"])
    new = told(command, "keys", "rotate", made["id"], "--overlap", "1")
    assert new["replaces"] == made["id"]
    assert told(command, "keys", "revoke", new["id"])["revoked_at"]
    rows = {row["id"]: row for row in told(command, "keys", "list")["keys"]}
    assert set(rows) == {secret.id, made["id"], new["id"]}
    assert not any("key" in row for row in rows.values())
    assert rows[made["id"]]["replaced_by"] == new["id"]
    assert api_keys.verify(connect(sqlite_ledger), secret) is not None
    assert secret.id in command("keys", "list").stdout
    assert command("keys", "create", "x").exit_code == 2
    assert command("keys", "create", "x", "--user", "nobody").exit_code == 1


def test_people(command: Command) -> None:
    assert told(command, "users", "create", "ann")["role"] == "reader"
    assert told(command, "users", "role", "ann", "editor")["role"] == "editor"
    assert told(command, "users", "disable", "ann")["disabled"] is True
    assert told(command, "users", "enable", "ann")["disabled"] is False
    assert command("users", "link", "ann", "nowhere", "1").exit_code == 1
    told(command, "groups", "set", "staff", "ann")
    assert told(command, "groups", "list")["groups"]["staff"][0]["user"] == "ann"
    told(command, "grants", "give", "docs", "group:staff", "editor")
    [grant] = told(command, "grants", "list")["grants"]
    assert (grant["principal"], grant["role"]) == ("group:staff", "editor")
    assert command("grants", "give", "docs", "group:staff", "admin").exit_code == 1
    told(command, "grants", "take", "docs", "group:staff")
    told(command, "groups", "remove", "staff")
    assert command("groups", "remove", "staff").exit_code == 1
    for shown in (("users", "list"), ("groups", "list"), ("grants", "list")):
        assert command(*shown).exit_code == 0


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True),
        ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("search.example.com", False),
        ("localhost.example.com", False), ("", False),
    ],
)  # fmt: skip
def test_an_open_door_is_for_this_machine(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
    settings = Settings(http={"host": host})
    if loopback:
        check_exposure(settings)
    else:
        with pytest.raises(SetupError, match=r"auth\.mode"):
            check_exposure(settings)
    check_exposure(settings.model_copy(update={"auth": Settings(auth={"mode": "required"}).auth}))


def test_up_refuses_an_open_door(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTYPANTS_HTTP__HOST", "0.0.0.0")
    for flags in ((), ("--detach",)):
        result = command("up", *flags)
        assert (result.exit_code, "auth.mode" in result.output) == (1, True)


def test_a_cluster_refuses_an_open_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTYPANTS_LEDGER__URL", "postgresql://smartypants@127.0.0.1:9/x")
    monkeypatch.setenv("SMARTYPANTS_VECTORS__URI", "http://127.0.0.1:9")
    monkeypatch.setenv("SMARTYPANTS_BLOBS__URI", "s3://blobs/x")
    with pytest.raises(SetupError, match=r"auth\.mode"):
        app_from_environment({})


def test_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert client._headers() == {}
    monkeypatch.setenv(client.API_KEY, "sp_x")
    assert client._headers() == {"Authorization": "Bearer sp_x"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "https://accounts.google.com"},
        {"kind": "github"},
        {"issuer": "http://id.example.com"},
        {"issuer": "https://user:word@id.example.com"},
        {"issuer": "https://id.example.com", "client_secret": canary("the secret itself")},
        {"issuer": "https://id.example.com", "algorithms": ["none"]},
        {"issuer": "https://id.example.com", "algorithms": ["HS256"]},
    ],
)
def test_issuers_that_are_not_safe(wrong: dict[str, Any]) -> None:
    with pytest.raises(
        ValueError, match=r"issuer|everybody|reference|https|credentials|Input"
    ) as caught:
        IssuerSettings.model_validate(wrong)
    assert "the secret itself" not in str(caught.value)
    IssuerSettings.model_validate({"issuer": "https://id.example.com/"})
    IssuerSettings.model_validate({"kind": "github", "required_groups": ["us"]})
