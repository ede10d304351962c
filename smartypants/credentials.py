"""Credentials by reference: settings name where a secret is, the process that needs it looks.

`env:NAME` is an environment variable, `file:/PATH` a file (a mounted secret). The reference may
be written down, logged and pickled; the secret is resolved where a connection is opened.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, TypeGuard

from pydantic import AfterValidator

from smartypants.errors import SetupError

_REMEMBERED = 8
"""Secrets that were rotated away, and may still be in a message on its way."""

_FORM = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\x00]+")


def is_reference(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _FORM.fullmatch(value) is not None


def _checked(value: str) -> str:
    if not is_reference(value):  # the value may be the secret itself: don't repeat it
        raise ValueError("give a reference to the secret: env:NAME or file:/absolute/path")
    return value


Reference = Annotated[str, AfterValidator(_checked)]
"""`env:NAME` or `file:/PATH`; anything else is refused without being shown."""


def resolve(reference: str) -> str:
    """The secret. Raises `SetupError`, which names the variable or file, not its content."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        secret = os.environ.get(name, "").strip()
        if not secret:
            raise SetupError(
                f"The environment variable {name} is not set, or empty.",
                "Set it in every process and on every node of the system.",
            )
        return secret
    reason = ""
    try:
        secret = Path(name).read_text().strip()
    except UnicodeDecodeError:
        reason = "not a text"
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
    else:
        reason = "" if secret else "empty"
    if reason:
        raise SetupError(
            f"The secret's file {name} can't be used: {reason}.",
            "It must be there on every node of the system.",
        )
    return secret


class Credential:
    """A secret by its reference. It is looked up on each use, so a rotated one counts at once.

    It remembers what it gave out, to keep that from messages; no repr and no pickle shows it.
    """

    def __init__(self, reference: str) -> None:
        self.reference = _checked(reference)
        self._given: dict[str, None] = {}

    def reveal(self) -> str:
        """The secret, for the one place that sends it. Raises `SetupError` like `resolve`."""
        secret = resolve(self.reference)
        self._given.pop(secret, None)
        self._given[secret] = None
        while len(self._given) > _REMEMBERED:
            del self._given[next(iter(self._given))]
        return secret

    @property
    def given(self) -> tuple[str, ...]:
        """What to look for in texts of whoever it was sent to."""
        return tuple(self._given)

    def __repr__(self) -> str:
        return f"Credential({self.reference!r})"

    def __reduce__(self) -> tuple[type[Credential], tuple[str]]:
        return Credential, (self.reference,)


def scrub(text: str, secrets: tuple[str, ...]) -> str:
    """The text with each secret, and each signature of a signed URL, replaced by `***`."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return re.sub(r"(?i)\b((?:x-[a-z]+-)?sig(?:nature)?)=[^&\s'\"]+", r"\1=***", text)
