"""The secrets of the tests, each known by its value, and where one of them shows in a text.

Whatever a test uses as a credential goes through `canary`; what the system generates itself is
noted by `tests/emissions.py`, which looks for all of them in what a test run emits.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, quote_plus

SHORTEST: Final = 8
GENERATED: Final = 43
"""Characters of 256 random bits in URL-safe base64."""

_KEY = re.compile(r"sp_[0-9a-f]{16}_[A-Za-z0-9_-]{43}")  # also of other processes
_RUN = re.compile(rf"[A-Za-z0-9_-]{{{GENERATED},}}")

_forms: dict[str, str] = {}
_generated: set[str] = set()


def canary(value: str) -> str:
    """The value, which nothing may emit from now on."""
    if len(value) < SHORTEST:
        raise ValueError(f"{value!r} is too short to be told from other text")
    for form in _forms_of(value):
        _forms.setdefault(form, value)
    return value


def generated(value: str) -> str:
    """The same for what the system makes up: there are many, and only as they are."""
    if len(value) == GENERATED:
        _generated.add(value)
    return value


def found_in(text: str) -> list[str]:
    """Which secrets the text holds, in a form that may be shown."""
    found = {_masked(value) for form, value in _forms.items() if form in text}
    found |= {_masked(key) for key in _KEY.findall(text)}
    for run in _RUN.findall(text) if _generated else ():
        for start in range(len(run) - GENERATED + 1):
            if run[start : start + GENERATED] in _generated:
                found.add(_masked(run[start:]))
    return sorted(found)


def _forms_of(value: str) -> Iterator[str]:
    """As it is, and as URLs, JSON, Python and base64 write it."""
    yield from (value, quote(value, safe=""), quote_plus(value))
    yield from (json.dumps(value)[1:-1], repr(value)[1:-1])
    for before in range(3):  # characters that also hold bits of what stands beside it are left out
        coded = base64.b64encode(b"x" * before + value.encode()).decode()
        yield coded[-(-8 * before // 6) : 8 * (before + len(value.encode())) // 6]


def _masked(value: str) -> str:
    return f"{value[:4]}… ({len(value)} characters)"


TOPSECRET: Final = canary("TOPSECRET")
"""Stands for a credential in the URIs, options and headers of many tests."""
