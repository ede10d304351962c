"""What there are templates for, and what each may and must show."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """A template's name: what the language model is asked for."""

    ANSWER = "answer"
    REWRITE = "rewrite"
    EXPAND = "expand"


_COMMON: Final = frozenset({"question", "language", "collection", "now"})

ALLOWED: Final[Mapping[Kind, frozenset[str]]] = {
    Kind.ANSWER: _COMMON | {"passages", "history"},
    Kind.REWRITE: _COMMON | {"history"},
    Kind.EXPAND: _COMMON | {"expansion", "count"},
}
"""The variables of each kind."""

REPLY_TOKENS: Final[Mapping[Kind, int]] = {Kind.REWRITE: 96, Kind.EXPAND: 128}
"""What the model may say; of an answer, the settings and the request tell."""
