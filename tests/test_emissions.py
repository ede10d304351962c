"""The plugin that looks for secrets in all that a test run emits, in runs of its own."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest

from smartypants.auth.secrets import KeySecret
from tests.canaries import canary, found_in

ROOT = Path(__file__).parents[1]
HEAD = """
import logging, os, subprocess, sys, warnings
import structlog
from typer import Typer, echo
from typer.testing import CliRunner
from smartypants.auth.secrets import KeySecret, new_secret
from tests.canaries import canary
SECRET = canary("of-this-run-alone")
"""
EMITTING = {
    "print": "def test(): print(SECRET)",
    "log record": "def test(): logging.getLogger('x').warning('%s', {'key': SECRET})",
    "traceback": (
        "def test():\n    try: raise ValueError(SECRET)\n"
        "    except ValueError: logging.exception('failed')"
    ),
    "structured log": "def test(): structlog.get_logger().info('asked', url='https://u:'+SECRET)",
    "inherited stream": (
        "def test(): subprocess.run([sys.executable, '-c', f'print({SECRET!r})'], check=True)"
    ),
    "taken from the capture": "def test(capsys): print(SECRET); capsys.readouterr()",
    "error stream of a command": (
        "def test():\n    code = f'import sys; sys.stderr.write({SECRET!r})'\n"
        "    subprocess.run([sys.executable, '-c', code], capture_output=True, check=True)"
    ),
    "error stream of our command": (
        "app = Typer()\n@app.command()\ndef main(): echo(SECRET, err=True)\n"
        "def test(): CliRunner().invoke(app, [])"
    ),
    "environment": (
        "def test(monkeypatch):\n    monkeypatch.setenv('AN_API_KEY', 'set-for-this')\n"
        "    print(os.environ['AN_API_KEY'])"
    ),
    "generated key": "def test(): logging.warning(KeySecret.new().text)",
    "generated secret": "def test(): logging.warning('cookie=' + new_secret() + '; Secure')",
    "set-up": (
        "import pytest\n@pytest.fixture\ndef made(): print(SECRET)\ndef test(made): pass"
    ),
}  # fmt: skip
CLEAN = {
    "nothing": "def test(): print('all is well')",
    "answer of a command": (
        "def test():\n    code = f'print({SECRET!r})'\n"
        "    subprocess.run([sys.executable, '-c', code], capture_output=True, check=True)"
    ),
}

OPTIONS = ("-p", "tests.emissions", "-rA", "--show-capture=no")


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def test_what_is_emitted_is_found(pytester: pytest.Pytester) -> None:
    """By two processes, as `make test` has them: a file for each case."""
    cases = {**EMITTING, **CLEAN}
    names = {f"test_{number}": name for number, name in enumerate(cases)}
    for stem, name in names.items():
        pytester.makepyfile(**{stem: f"{HEAD}\n{cases[name]}\n"})
    done = pytester.runpytest_subprocess(*OPTIONS, "-n", "2", "--dist", "loadfile")
    caught = {name for stem, name in names.items() if f"ERROR {stem}.py::test" in done.stdout.str()}
    assert caught == set(EMITTING)
    done.assert_outcomes(passed=len(cases), errors=len(EMITTING))
    assert done.ret == pytest.ExitCode.TESTS_FAILED


def test_log_files_are_read_when_the_session_ends(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"{HEAD}\n"
        "def test(tmp_path): (tmp_path / 'up.log').write_text(SECRET)\n"
        "def test_another(): pass"
    )
    done = pytester.runpytest_subprocess(*OPTIONS)
    done.stdout.fnmatch_lines(["*up.log: of-t… (17 characters)"])
    done.assert_outcomes(passed=2, errors=1)


def test_forms_of_a_secret() -> None:
    value = canary("a secret/with=signs")
    for text in (
        value,
        quote(value, safe=""),
        base64.b64encode(f"client:{value}".encode()).decode(),
        base64.b64encode(f"a-client:{value}!".encode()).decode(),
        f'{{"authorization": "Bearer {KeySecret.new().text}"}}',
    ):
        assert found_in(f"before {text} after"), text
        assert value not in "".join(found_in(text))
    assert found_in("a secret with signs") == []


def test_a_secret_can_be_told_from_other_text() -> None:
    with pytest.raises(ValueError, match="too short"):
        canary("secret")
