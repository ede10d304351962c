"""Secrets by reference: settings say where a secret is, and the part that needs it looks there."""

from __future__ import annotations

import os
from pathlib import Path

from smartypants.errors import SetupError

PATTERN = r"^(env|file):.+$"
"""What a reference looks like: `env:NAME` or `file:PATH`."""


def resolve(reference: str, *, setting: str) -> str:
    """The secret that `env:NAME` or `file:PATH` refers to, without a newline at its end.

    Raises `SetupError`, which names the setting and the place but no secret.
    """
    kind, _, place = reference.partition(":")
    if kind == "env" and place:
        found = os.environ.get(place)
        if found is None:
            raise SetupError(
                f"{setting} refers to the environment variable {place}, which is not set.",
                "Set it for every process of the system, on every machine.",
            )
        return found
    if kind == "file" and place:
        try:
            return Path(place).read_text().rstrip("\r\n")
        except (OSError, ValueError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "it is not text"
            raise SetupError(
                f"{setting} refers to the file {place}, which can't be read: {reason}.",
                "It must be there, and readable, on every machine.",
            ) from None
    raise SetupError(
        f"{setting} is not a reference to a secret.", "Write env:NAME or file:PATH there."
    )
