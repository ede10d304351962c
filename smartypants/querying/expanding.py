"""More to search for than the question: other wordings of it, or a passage that answers it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from smartypants.errors import PromptInvalid
from smartypants.prompts.defaults import default_prompt
from smartypants.prompts.inputs import expand_inputs
from smartypants.prompts.kinds import REPLY_TOKENS, Kind
from smartypants.prompts.template import Prompt
from smartypants.querying.asking import StepSkipped
from smartypants.recipes import Expansion
from smartypants.types import Message, SamplingParams

QUERIES = 3
MAX_CHARS = 1_000
SAMPLING = {
    Expansion.QUERIES: SamplingParams(max_tokens=96, temperature=0.0),
    Expansion.HYPOTHETICAL: SamplingParams(max_tokens=REPLY_TOKENS[Kind.EXPAND], temperature=0.0),
}

_NUMBER = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.)])\s*")


def messages(
    expansion: Expansion,
    question: str,
    *,
    prompt: Prompt | None = None,
    language: str | None = None,
    collection: str = "",
) -> list[Message]:
    """What the model is told. Raises `StepSkipped`."""
    values = expand_inputs(
        question,
        expansion=str(expansion),
        count=QUERIES,
        language=language,
        collection=collection,
    )
    chosen = prompt or default_prompt(Kind.EXPAND)
    try:
        return chosen.messages(values)
    except PromptInvalid as exc:
        raise StepSkipped(f"prompt {chosen.version} failed: {exc.message}") from exc


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
