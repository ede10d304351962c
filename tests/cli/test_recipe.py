"""`smartypants recipe` and `smartypants tune`, as far as no system has to run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deployments.cli import app
from smartypants.ledger import recipes
from smartypants.ledger.database import connect
from smartypants.recipes import Recipe
from tests.ledger.conftest import Source

Command = Callable[..., Result]


@pytest.fixture
def command(sqlite_ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SMARTYPANTS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SMARTYPANTS_LEDGER__URL", sqlite_ledger)
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, list(arguments))


@pytest.fixture
def source(sqlite_ledger: str) -> Source:
    return Source(connect(sqlite_ledger))


def shown(command: Command) -> dict[str, object]:
    result = command("recipe", "show", "docs", "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_show_set_reset(command: Command, source: Source, tmp_path: Path) -> None:
    assert shown(command)["own"] is False
    assert command("recipe", "set", "docs", "dense_weight=0.7", "fusion=rrf").exit_code == 0
    (tmp_path / "more.yaml").write_text("rrf_k: 9\nrerank: false\n")
    assert command("recipe", "set", "docs", "more.yaml").exit_code == 0
    wanted = Recipe(dense_weight=0.7, fusion="rrf", rrf_k=9, rerank=False)
    now = shown(command)
    assert now["own"] is True
    assert (now["version"], now["evidence"]) == (wanted.version, None)
    assert [item["active"] for item in now["history"]] == [True, False]  # type: ignore[attr-defined]
    assert "Set by hand" in command("recipe", "show", "docs").output
    assert command("recipe", "reset", "docs").exit_code == 0
    assert recipes.active(source.engine, "docs") is None


@pytest.mark.parametrize(
    "change", ["dense_weight=2", "fusion=best", "nonsense=1", "dense_weight", "rrf_k=[", "nofile"]
)
def test_bad_changes(command: Command, source: Source, change: str) -> None:
    result = command("recipe", "set", "docs", change)
    assert result.exit_code == 1
    assert "Error:" in result.output
    assert recipes.active(source.engine, "docs") is None


def test_no_such_collection(command: Command) -> None:
    assert command("recipe", "show", "nothing").exit_code == 1
    assert "There is no collection" in command("recipe", "set", "nothing", "rrf_k=9").output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--generate N"),
        (("--feedback", "--generate", "30"), "--generate N"),
        (("--queries", "q.jsonl"), "belong together"),
        (("--queries", "q.jsonl", "--qrels", "q.tsv"), "can't be read"),
        (("--feedback",), "At least 20"),
    ],
)
def test_tune_says_what_is_missing(
    command: Command, source: Source, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...],
    said: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("SMARTYPANTS_VECTORS__URI", "http://127.0.0.1:9")
    result = command("tune", "docs", *arguments)
    assert result.exit_code == 1
    assert said in " ".join(result.output.split())


def test_tune_needs_the_vector_server(command: Command, source: Source) -> None:
    result = command("tune", "docs", "--feedback", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["code"] == "not_running"
