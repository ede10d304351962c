"""What the commands print, and how they end: 0 done, 1 failed, 2 used wrongly."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from smartypants.errors import SmartyPantsError
from smartypants.settings import Settings

FAILED = 1
USAGE = 2

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]
CollectionName = Annotated[
    str | None, typer.Option("--collection", "-c", help="Collection. Default: from the settings.")
]


@contextmanager
def reporting(as_json: bool) -> Iterator[Settings]:
    """Hands out the settings; an error of ours becomes a message and an exit code."""
    try:
        yield load_settings()
    except SmartyPantsError as exc:
        fail(exc.code, exc.message, exc.hint, as_json=as_json)


def load_settings() -> Settings:
    """The settings; a wrong one ends the command with what is wrong about it."""
    try:
        return Settings()
    except ValidationError as exc:
        for problem in exc.errors():
            name = ".".join(str(part) for part in problem["loc"])
            err.print(f"[red]Setting {name}:[/red] {problem['msg']}")
        raise typer.Exit(USAGE) from exc


def fail(code: str, message: str, hint: str, *, as_json: bool, status: int = FAILED) -> None:
    """Print an error and end the command."""
    if as_json:
        print_json({"error": {"code": code, "message": message, "hint": hint}})
    else:
        err.print(f"[red]Error:[/red] {escape(message)}", markup=True, soft_wrap=True)
        if hint:
            err.print(f"  {hint}", markup=False, soft_wrap=True)
    raise typer.Exit(status)


def moment(seconds: float | None) -> str | None:
    """A time of the ledger, to the second."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(" ", "seconds")


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")
