"""`smartypants prompts`, as far as no system has to run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_recipe import Command, command, source
from tests.ledger.conftest import Source

__all__ = ["command", "source"]

TEMPLATE = """
messages:
  - role: user
    content: |-
      {% for passage in passages %}
      {{ passage.text }}
      {% endfor %}
      Q: {{ question }}
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "short.yaml"
    path.write_text(TEMPLATE)
    return str(path)


def said(command: Command, *arguments: str) -> Any:
    result = command("prompts", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_create_activate_roll_back(command: Command, source: Source, file: str) -> None:
    assert said(command, "list")["answer"] == [{"version": "default", "share": 1.0}]
    version = said(command, "create", "answer", file, "-c", "docs", "--note", "n")["version"]
    now = said(command, "activate", "answer", f"{version[:8]}=0.25", "default=0.75", "-c", "docs")
    assert now["active"] == [
        {"version": version, "share": 0.25},
        {"version": "default", "share": 0.75},
    ]
    assert said(command, "list")["answer"] == [{"version": "default", "share": 1.0}]
    assert said(command, "list", "-c", "docs")["answer"] == now["active"]
    shown = command("prompts", "show", "answer", "-c", "docs").output
    assert version[:12] in shown
    assert "25%" in shown
    back = said(command, "rollback", "answer", "-c", "docs")
    assert back["active"] == [{"version": "default", "share": 1.0}]
    assert command("prompts", "rollback", "answer", "-c", "docs").exit_code == 1
    assert said(command, "activate", "answer", "--inherit", "-c", "docs")["activations"]


def test_preview(command: Command, source: Source, file: str) -> None:
    found = said(command, "preview", "answer", "Why?", "--file", file)
    assert found["messages"][0]["content"].endswith("\nQ: Why?")
    assert 0 < found["tokens"] < found["room"]
    assert "Using only the text above" in command("prompts", "preview", "answer", "Why?").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create", "answer", "nofile.yaml"), "can't be read"),
        (("create", "rewrite", "short.yaml"), "a loop runs over `history`"),
        (("activate", "answer"), "Nothing tells what to use"),
        (("activate", "answer", "abcd=x"), "no VERSION=SHARE"),
        (("activate", "answer", "abcdef"), "no versions"),
        (("activate", "answer", "default=0.5"), "sum to 0.5"),
        (("show", "answer", "-c", "nothing"), "There is no collection"),
        (("preview", "answer", "x", "--file", "short.yaml", "--version", "v"), "Give one of them"),
    ],
)
def test_what_is_refused(
    command: Command, source: Source, file: str, arguments: tuple[str, ...], message: str
) -> None:
    result = command("prompts", *arguments)
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())
