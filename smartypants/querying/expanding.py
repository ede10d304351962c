"""More to search for than the question: other wordings of it, or a passage that answers it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from smartypants.querying.asking import StepSkipped
from smartypants.recipes import Expansion
from smartypants.types import Message, SamplingParams

QUERIES = 3
MAX_CHARS = 1_000
SAMPLING = {
    Expansion.QUERIES: SamplingParams(max_tokens=96, temperature=0.0),
    Expansion.HYPOTHETICAL: SamplingParams(max_tokens=128, temperature=0.0),
}

_ASKED = {
    Expansion.QUERIES: f"Write {QUERIES} other search queries for what the user asks, in other "
    "words, one on each line. Write nothing else.",
    # A made-up passage lies nearer to passages than a question does: HyDE, Gao et al., ACL 2023.
    Expansion.HYPOTHETICAL: "Write a short passage of a document that answers the question. "
    "Write nothing else.",
}
_NUMBER = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.)])\s*")


def messages(expansion: Expansion, question: str) -> list[Message]:
    return [Message("system", _ASKED[expansion]), Message("user", question)]


def variants(expansion: Expansion, said: str, question: str) -> tuple[str, ...]:
    """Texts for the dense leg, none twice. Raises `StepSkipped` if there is none."""
    if expansion is Expansion.HYPOTHETICAL:
        lines = [" ".join(said.split())[:MAX_CHARS]]
    else:
        lines = [_NUMBER.sub("", line).strip().strip('"') for line in said.splitlines()]
    found = _distinct(lines, question)
    if not found:
        raise StepSkipped("the language model wrote nothing new")
    return found


def _distinct(lines: Sequence[str], question: str) -> tuple[str, ...]:
    seen = {question.casefold()}
    found = []
    for line in lines:
        if line and len(line) <= MAX_CHARS and line.casefold() not in seen:
            seen.add(line.casefold())
            found.append(line)
    return tuple(found[:QUERIES])
