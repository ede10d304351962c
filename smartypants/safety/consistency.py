"""Whether a finished answer fits its question in language, and holds together in form."""

from __future__ import annotations

from collections.abc import Sequence

from smartypants.querying import language
from smartypants.safety.containment import SUSPECTED
from smartypants.types import Notice, SearchHit

_CODE_FENCE = "```"


def notices(question: str, text: str, hits: Sequence[SearchHit]) -> tuple[Notice, ...]:
    """What the reader should know."""
    told = []
    asked, answered = language.detect(question), language.detect(text)
    if asked and answered and asked != answered:
        message = f"The question is in {_name(asked)}, the answer in {_name(answered)}."
        told.append(Notice("other_language", message))
    if text.count(_CODE_FENCE) % 2:
        told.append(Notice("unclosed_code", "A block of code has no end."))
    return (*told, *suspicions(hits))


def suspicions(hits: Sequence[SearchHit]) -> tuple[Notice, ...]:
    """A notice where passages seem to instruct the language model."""
    suspected = sum(SUSPECTED in hit.flags for hit in hits)
    if not suspected:
        return ()
    message = f"Passages that may hold instructions for a language model: {suspected}."
    return (Notice("injection_suspected", message),)


def _name(code: str) -> str:
    return language.name(code) or code
