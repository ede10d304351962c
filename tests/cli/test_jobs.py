"""`smartypants jobs` against a real ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from sqlalchemy import Engine
from typer.testing import CliRunner

from smartypants import wiring
from smartypants.cli.jobs import jobs as command
from smartypants.errors import Unavailable
from smartypants.ledger import jobs, leases
from smartypants.ledger.database import migrate
from smartypants.settings import Settings
from tests.ledger.conftest import Source

app = typer.Typer()
app.command()(command)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The ledger that the command opens."""
    monkeypatch.setenv("SMARTYPANTS_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    engine = wiring.open_ledger(Settings())
    migrate(engine)
    yield engine
    engine.dispose()


def run(*words: str) -> Result:
    return CliRunner().invoke(app, [*words])


def run_json(*words: str, code: int = 0) -> Any:
    result = run(*words, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def fail(engine: Engine, job_id: str) -> None:
    assert leases.claim(engine, "r", lease_s=60, only=job_id)
    leases.finish(engine, job_id, "r", {"done": 2, "failed": 1}, Unavailable("Ray [died].", "Go."))


def test_ledger_that_is_not_there_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTYPANTS_DATA_DIR", str(tmp_path / "new"))
    monkeypatch.chdir(tmp_path)
    assert run_json() == {"jobs": []}
    assert run("dead").exit_code == 0


def test_list(engine: Engine) -> None:
    for job_id in ("one", "two", "bad"):
        jobs.submit(
            engine, "ingest", "docs", {"connector": "c", "uri": f"/{job_id}"}, job_id=job_id
        )
    fail(engine, "bad")
    listed = run_json()["jobs"]
    assert [job["id"] for job in listed] == ["bad", "two", "one"]
    assert [job["state"] for job in listed] == ["failed", "queued", "queued"]
    assert listed[0]["error"] == "Ray [died]. Go."
    assert listed[0]["waiting"] is None
    assert listed[1]["waiting"].startswith("No job runner has started yet")
    assert listed[1]["params"] == {"connector": "c", "uri": "/two"}
    shown = run().stdout
    assert all(job_id in shown for job_id in ("one", "two", "bad"))
    assert "Ray [died]" in shown
    assert "No job runner has started yet" in shown


def test_show_with_failed_documents(engine: Engine) -> None:
    source = Source(engine)
    source.list("broken.pdf")
    source.fail("broken.pdf", retryable=False)
    jobs.submit(engine, "ingest", "docs", {"uri": "/docs"}, job_id=source.job)
    fail(engine, source.job)
    shown = run(source.job).stdout
    assert "broken.pdf: It is damaged." in shown
    assert run_json(source.job)["error_code"] == "unavailable"


def test_actions(engine: Engine) -> None:
    jobs.submit(engine, "ingest", "docs", {}, job_id="mine")
    for action, state in (
        ("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled"), ("retry", "queued"),
    ):  # fmt: skip
        shown = run_json(action, "mine")
        assert (shown["id"], shown["state"]) == ("mine", state)
        assert jobs.get(engine, "mine").state == state
    result = run("pause", "mine")
    assert result.exit_code == 0
    assert "paused" in result.stdout
    assert "jobs resume" in result.stdout


def test_dead_letters(engine: Engine) -> None:
    assert run_json("dead") == {"jobs": [], "documents": []}
    assert "no dead letters" in run("dead").stdout
    jobs.submit(engine, "ingest", "docs", {}, job_id="bad")
    fail(engine, "bad")
    source = Source(engine)
    source.list("final", "again", source.ref("secret", principals=("user:ann",)))
    source.fail("final", retryable=False)
    source.fail("again", retryable=True)
    source.fail("secret", retryable=False)
    dead = run_json("dead")
    assert [job["id"] for job in dead["jobs"]] == ["bad"]
    assert {document["name"] for document in dead["documents"]} == {"final", "secret"}
    shown = run("dead").stdout
    assert "job bad: Ray [died]. Go." in shown
    assert "document final" in shown
    assert "jobs retry" in shown


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["nobody"], "job_not_found"),
        (["cancel", "nobody"], "job_not_found"),
        (["[/red]"], "job_not_found"),
        (["resume", "ended"], "conflict"),
        (["retry", "queued"], "conflict"),
        (["explode", "queued"], "invalid_request"),
        (["cancel"], "invalid_request"),
        (["dead", "queued"], "invalid_request"),
        (["cancel", "queued", "ended"], "invalid_request"),
    ],
)
def test_words_that_lead_nowhere(engine: Engine, words: list[str], code: str) -> None:
    for job_id in ("queued", "ended"):
        jobs.submit(engine, "ingest", "docs", {}, job_id=job_id)
    jobs.cancel(engine, "ended")
    error = run_json(*words, code=1)["error"]
    assert error["code"] == code
    assert error["hint"]
    result = run(*words)
    assert result.exit_code == 1
    assert not result.stdout
    assert error["message"] in result.stderr
    assert jobs.get(engine, "queued").state == "queued"


def test_usage(engine: Engine) -> None:
    assert run("--nonsense").exit_code == 2
