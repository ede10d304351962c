"""`smartypants ledger`, on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect
from typer.testing import CliRunner, Result

from deployments.cli import app
from smartypants.ledger.database import connect
from smartypants.ledger.migrating import head
from tests.servers.postgres import PostgresServer

Command = Callable[..., Result]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'new.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


@pytest.fixture
def command(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SMARTYPANTS_LEDGER__URL", url)
    runner = CliRunner()

    def run(*arguments: str, answer: str | None = None) -> Result:
        return runner.invoke(app, ["ledger", *arguments], input=answer)

    return run


def tables(url: str) -> set[str]:
    engine = connect(url)
    found = set(inspect(engine).get_table_names()) - {"alembic_version"}
    engine.dispose()
    return found


def test_up_and_down(command: Command, url: str) -> None:
    assert f"no revision; the newest is {head()}" in command("current").output
    assert f"at {head()}, the newest" in command("upgrade").output
    assert "documents" in tables(url)
    asked = command("downgrade", "base", answer="n\n")
    assert asked.exit_code == 1
    assert "documents" in tables(url)
    assert command("downgrade", "base", answer="y\n").exit_code == 0
    assert tables(url) == set()
    again = command("upgrade", "0001", "--json")
    assert json.loads(again.output) == {"current": "0001", "newest": head()}
    down = command("downgrade", "base", "--yes", "--json")
    assert json.loads(down.output) == {"current": None, "newest": head()}


def test_revision_that_does_not_exist(command: Command) -> None:
    for arguments in (("upgrade", "nonsense"), ("downgrade", "nonsense", "--yes")):
        ended = command(*arguments, "--json")
        assert ended.exit_code == 1
        assert json.loads(ended.output)["error"]["code"] == "setup_error"
