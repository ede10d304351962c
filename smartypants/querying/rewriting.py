"""Makes a question whole that leans on the turns before it: "and in 2023?"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from smartypants.errors import PromptInvalid
from smartypants.prompts.defaults import default_prompt
from smartypants.prompts.inputs import TURN_CHARS, TURNS, rewrite_inputs
from smartypants.prompts.kinds import REPLY_TOKENS, Kind
from smartypants.prompts.template import Prompt
from smartypants.querying.asking import StepSkipped
from smartypants.terms import terms
from smartypants.types import Message, SamplingParams

__all__ = ["SAMPLING", "TURNS", "TURN_CHARS", "checked", "leans", "messages"]

SHORT_WORDS = 4
SAMPLING = SamplingParams(max_tokens=REPLY_TOKENS[Kind.REWRITE], temperature=0.0)

_OPENS = re.compile(
    r"\s*(?:and|or|but|so|then|also|what about|how about|what else|anything else|why(?: not)?\b|"
    r"yes|no|ok(?:ay)?|thanks?|got it|really|in that case|which (?:one|is|are)|tell me more|"
    r"more|else|instead)\b",
    re.I,
)
_POINTS = re.compile(
    r"\b(?:it|its|they|them|their|theirs|he|him|his|she|her|hers|this|that|these|those|there|"
    r"former|latter|previous|above|same|one|ones|such|others?|another|else|you said|"
    r"as you|mentioned|second|third|last one)\b",
    re.I,
)
_LABEL = re.compile(
    r"^(?:(?:rewritten|standalone|full|whole|new|final)\s+)*(?:question|query|answer)\s*:\s*", re.I
)

_REPLY = re.compile(
    r"\s*(?:the answer\b|here (?:is|are)\b|sorry\b|as an ai\b|i (?:do|did|am|can|could) ?not\b|"
    r"(?:the|this|these) (?:document|passage|text|context)s? (?:do|does|did|is|are|has|have)\b)",
    re.I,
)
"""How an answer begins, and no question."""


def leans(question: str) -> bool:
    """Whether a question may lean on earlier turns: it begins like a reply, points at something
    without naming it, or has few words.

    Words that stand by themselves too ("that", "one") count, since a call that was not needed
    costs time, and one that was needed and not made costs the answer.
    """
    if len(question.split()) <= SHORT_WORDS:
        return True
    return bool(_OPENS.match(question) or _POINTS.search(question))


def messages(
    question: str,
    history: Sequence[Message],
    language: str | None,
    *,
    prompt: Prompt | None = None,
    collection: str = "",
) -> list[Message]:
    """What the model is told; it sees the last turns, each cut. Raises `StepSkipped`."""
    values = rewrite_inputs(question, history, language=language, collection=collection)
    chosen = prompt or default_prompt(Kind.REWRITE)
    try:
        return chosen.messages(values)
    except PromptInvalid as exc:
        raise StepSkipped(f"prompt {chosen.version} failed: {exc.message}") from exc


def checked(said: str, question: str, history: Sequence[Message]) -> str:
    """The question that the model made.

    Raises `StepSkipped` if it can't be trusted: it is empty or long, an answer instead, has lost
    most of the question, or has words of its own, which neither the question nor the
    conversation has.
    """
    line = next((line.strip() for line in said.splitlines() if line.strip()), "")
    whole = _LABEL.sub("", line).strip().strip('"“”').strip()
    if not whole:
        raise StepSkipped("the language model wrote no question")
    if len(whole) > 3 * len(question) + 200:
        raise StepSkipped("the language model wrote too much")
    if not whole.endswith("?"):
        unasked = question.rstrip().endswith("?") or whole.endswith(":")
        if unasked or _REPLY.match(whole):
            raise StepSkipped("the language model answered instead")
    mine = set(terms(question).split())
    spoken = set(terms(" ".join(turn.content for turn in history)).split())
    made = set(terms(whole).split())
    pointers = set(terms(" ".join(_POINTS.findall(question))).split())
    asked = mine - pointers
    if len(asked & made) < len(asked) / 2:
        raise StepSkipped("the language model asked something else")
    strange = made - mine - spoken
    if len(strange) > max(2, len(made) // 4):
        raise StepSkipped("the language model added words of its own")
    return whole
