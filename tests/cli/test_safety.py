"""`smartypants safety`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deployments.cli import app
from smartypants.ledger.database import connect
from tests.ledger.conftest import Source

Command = Callable[..., Result]


@pytest.fixture
def command(sqlite_ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SMARTYPANTS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SMARTYPANTS_LEDGER__URL", sqlite_ledger)
    Source(connect(sqlite_ledger))  # makes the collection `docs`
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, ["safety", *arguments])


def test_set_show_reset(command: Command, tmp_path: Path) -> None:
    assert json.loads(command("show", "docs", "--json").stdout)["overrides"] is None
    (tmp_path / "strict.yaml").write_text("injection: {policy: quote}\nmax_repeats: 2\n")
    found = json.loads(command("set", "docs", "strict.yaml", "--json").stdout)
    assert found["overrides"] == {"injection": {"policy": "quote"}, "max_repeats": 2}
    assert found["effective"]["max_repeats"] == 2
    assert "policy: quote" in command("show", "docs").stdout
    assert json.loads(command("reset", "docs", "--json").stdout)["overrides"] is None


@pytest.mark.parametrize("text", ["secrets: keep", "[1]", "a: [", "blocked: {patterns: ['a+']}"])
def test_what_is_refused(command: Command, tmp_path: Path, text: str) -> None:
    (tmp_path / "loose.yaml").write_text(text)
    done = command("set", "docs", "loose.yaml")
    assert done.exit_code == 1, done.output
    assert json.loads(command("show", "docs", "--json").stdout)["overrides"] is None


def test_of_no_file_and_of_no_collection(command: Command) -> None:
    assert command("set", "docs", "nothing.yaml").exit_code == 1
    assert command("show", "nothing").exit_code == 1
