"""The values that templates are rendered with: strings, passages and turns, and no other object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from smartypants.querying import language as languages
from smartypants.types import Message, SearchHit

TURNS = 6
TURN_CHARS = 600

Inputs = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage as templates see it; `index` counts from 1."""

    text: str
    context: str
    title: str
    uri: str
    index: int


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier turn of the conversation, on one line and cut."""

    role: str
    content: str


EMPTY_PASSAGE = Passage("", "", "", "", 1)


def passages(hits: Sequence[SearchHit]) -> tuple[Passage, ...]:
    return tuple(
        Passage(hit.chunk.text, hit.chunk.context, hit.title, hit.uri, index)
        for index, hit in enumerate(hits, start=1)
    )


def turns(history: Sequence[Message]) -> tuple[Turn, ...]:
    """The last turns, each cut."""
    spoken = [turn for turn in history if turn.role != "system"][-TURNS:]
    return tuple(Turn(turn.role, " ".join(turn.content.split())[:TURN_CHARS]) for turn in spoken)


def today() -> str:
    """The date in UTC, as templates see it in `now`."""
    return datetime.now(UTC).date().isoformat()


def answer_inputs(
    question: str,
    hits: Sequence[SearchHit],
    *,
    history: Sequence[Message] = (),
    language: str | None = None,
    collection: str = "",
) -> dict[str, object]:
    return {
        **_common(question, language, collection),
        "passages": passages(hits),
        "history": turns(history),
    }


def rewrite_inputs(
    question: str, history: Sequence[Message], *, language: str | None, collection: str = ""
) -> dict[str, object]:
    return {**_common(question, language, collection), "history": turns(history)}


def expand_inputs(
    question: str, *, expansion: str, count: int, language: str | None = None, collection: str = ""
) -> dict[str, object]:
    return {**_common(question, language, collection), "expansion": expansion, "count": count}


def _common(question: str, language: str | None, collection: str) -> dict[str, object]:
    return {
        "question": question,
        "language": languages.name(language),
        "collection": collection,
        "now": today(),
    }
