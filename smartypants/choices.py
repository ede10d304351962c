"""Why a step of a search was left out, where somebody chose so.

Any other reason is an accident: a deadline, a full queue, a part that is down. What was made
with one is not kept for later callers.
"""

from __future__ import annotations

from enum import StrEnum


class Choice(StrEnum):
    """By the caller, the recipe, the settings, or what the question is."""

    SWITCHED_OFF = "switched off"
    NO_WEIGHT = "its weight is 0"
    NO_DENSE_LEG = "there is no dense leg"
    NO_EARLIER_TURNS = "no earlier turns"
    STANDS_BY_ITSELF = "the question stands by itself"
    NOT_ENGLISH = "the question is not in English"
    NO_VOCABULARY = "no vocabulary is kept here"
    NO_RERANKER = "no reranker is configured"
    NOT_ASKED_FOR = "not asked for"


BUSY = "the system is busy"
"""No choice of anybody's."""


def chosen(reason: str) -> bool:
    """Whether a reason is one of these."""
    return reason in frozenset(Choice)
