"""What the language model is told."""

from __future__ import annotations

from collections.abc import Sequence

from smartypants.prompts.defaults import default_prompt
from smartypants.prompts.inputs import answer_inputs
from smartypants.prompts.kinds import Kind
from smartypants.types import Message, SearchHit

__all__ = ["NOT_FOUND", "answer_messages"]

NOT_FOUND = "I could not find anything about this in the documents."


def answer_messages(question: str, hits: Sequence[SearchHit]) -> list[Message]:
    """The conversation that asks for an answer from these hits, in their order, by default."""
    return default_prompt(Kind.ANSWER).messages(answer_inputs(question, hits))
