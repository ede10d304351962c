"""Exact phrases: words in a row, whatever their case, accents and punctuation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from smartypants.querying.vocabulary import folded

_WORD = re.compile(r"\w+")


def has_all(text: str, phrases: Sequence[str]) -> bool:
    """Whether the text has every phrase word for word."""
    plain = _plain(text)
    return all(_plain(phrase) in plain for phrase in phrases)


def _plain(text: str) -> str:
    return f" {' '.join(_WORD.findall(folded(text)))} "
