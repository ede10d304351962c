"""A pytest plugin: a test fails whose output, logs or error streams hold a secret.

At each test's end it looks through what pytest captured (standard output and error of this process
and of those that inherit them, and log records), through what the test took from the capture
itself, and through the error streams of commands that it ran. At the end of the session it looks
through the log files that were written meanwhile. Standard output of commands is left out: it is
their answer, as when a new key is shown to its owner.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.canaries import SHORTEST, canary, found_in, generated

_LOGS = ("*.log", "*.out", "*.err")
_NAMES = re.compile(r"(?:KEY|SECRET|TOKEN|PASSWORD|SAS)$")


class Emissions:
    """What was emitted since the last test ended, besides what the reports hold."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def hear(self, where: str, text: str | bytes | None) -> None:
        if text:
            shown = text if isinstance(text, str) else text.decode(errors="replace")
            self.heard.append((where, shown))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Iterator[None]:
        report: Any = yield
        if call.when == "teardown":  # its sections are those of all phases
            heard, self.heard = self.heard, []
            shown = told([*report.sections, *heard])
            if shown and report.passed:
                report.outcome, report.longrepr = "failed", shown
        return report


def told(emitted: list[tuple[str, str]]) -> str:
    """What is to say of texts and where they were emitted; empty if they are clean."""
    lines = [f"{where}: {name}" for where, text in emitted for name in found_in(text)]
    return "\n".join(["Secrets were emitted:", *lines]) if lines else ""


def pytest_configure(config: pytest.Config) -> None:
    emissions, patch = Emissions(), pytest.MonkeyPatch()
    config.pluginmanager.register(emissions, "emissions")
    config.add_cleanup(patch.undo)
    _after(patch, secrets, "token_urlsafe", generated)
    _after(
        patch, pytest.CaptureFixture, "readouterr",
        lambda found: [emissions.hear("captured", str(text)) for text in found],
    )  # fmt: skip
    _after(
        patch, subprocess.Popen, "communicate",
        lambda found: emissions.hear("a command's standard error", found[1]),
    )  # fmt: skip
    _after(
        patch, CliRunner, "invoke",
        lambda result: emissions.hear("a command's standard error", result.stderr),
    )  # fmt: skip
    setenv = pytest.MonkeyPatch.setenv

    def noting_setenv(self: Any, name: str, value: str, prepend: str | None = None) -> None:
        if _NAMES.search(name) and len(str(value)) >= SHORTEST:
            canary(str(value))
        setenv(self, name, value, prepend)

    patch.setattr(pytest.MonkeyPatch, "setenv", noting_setenv)


def _after(patch: pytest.MonkeyPatch, owner: Any, name: str, note: Callable[[Any], object]) -> None:
    """Have what a function returns noted."""
    function = getattr(owner, name)

    def noting(*args: Any, **kwargs: Any) -> Any:
        found = function(*args, **kwargs)
        note(found)
        return found

    patch.setattr(owner, name, noting)


@pytest.fixture(scope="session", autouse=True)
def _clean_log_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Ends last, so it sees the logs of all that the session started."""
    begun = time.time()
    yield
    logs = _log_files(tmp_path_factory.getbasetemp(), begun)
    shown = told([(str(path), path.read_text(errors="replace")) for path in logs])
    if shown:
        pytest.fail(shown, pytrace=False)


def _log_files(base: Path, begun: float) -> Iterator[Path]:
    """Ours, and those of Ray and its workers."""
    scratch = Path(tempfile.gettempdir())
    folders = [base, *scratch.glob(f"sp-{os.getuid()}-*/session_*/logs")]
    folders += scratch.glob("ray/session_*/logs")
    for folder in folders:
        for pattern in _LOGS:
            for path in folder.rglob(pattern):
                if path.is_file() and path.stat().st_mtime >= begun:
                    yield path
