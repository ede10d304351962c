"""What two sentences must share to say the same, however much they resemble each other."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NEGATION = re.compile(r"\b(?:not|no|never|none|without|cannot|neither|nor)\b|n['’]t\b", re.I)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NAME = re.compile(r"\b[A-Z][\w’'-]*")
_POSSESSIVE = re.compile(r"['’]s?$")

_NO_NAMES = frozenset(
    "i what who whom whose which when where why how is are was were am be do does did has have had "  # noqa: SIM905
    "can could should would will may might must shall the a an in on at for by from to of with "
    "during after before since until about as and or if it this that these those there name tell "
    "give list say explain describe please according under over between among".split()
)
"""Words that begin questions."""


@dataclass(frozen=True, slots=True)
class Particulars:
    """Numbers, names (words written with a capital letter), and whether it is negated."""

    numbers: frozenset[str]
    names: frozenset[str]
    negated: bool


def particulars(sentence: str) -> Particulars:
    """What is particular about a sentence."""
    return Particulars(numbers(sentence), _names(sentence), negated(sentence))


def numbers(text: str) -> frozenset[str]:
    return frozenset(_NUMBER.findall(text))


def negated(text: str) -> bool:
    return _NEGATION.search(text) is not None


def _names(text: str) -> frozenset[str]:
    words = (_POSSESSIVE.sub("", word).lower() for word in _NAME.findall(text))
    return frozenset(word for word in words if word not in _NO_NAMES)
