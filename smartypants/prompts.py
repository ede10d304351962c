"""What the language model is told."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import getsource

from smartypants.safety.containment import PASSAGES_ARE_MATERIAL
from smartypants.types import Message, SearchHit, stable_id

NOT_FOUND = "I could not find anything about this in the documents."

SYSTEM = (
    "Answer the question in one or two short sentences, using only the text that the user gives. "
    + PASSAGES_ARE_MATERIAL
)


def answer_messages(question: str, hits: Sequence[SearchHit]) -> list[Message]:
    """The conversation that asks for an answer from these hits, in their order.

    What is the same in every prompt comes first and what is the same in many next, so that an
    engine's prefix cache has it: the instructions, the passages, then the question. It is not
    told to say when the text holds no answer (a small model then says so always); that is
    decided before, and what nothing supports shows by its missing citation.
    """
    passages = "\n\n".join(f"{hit.chunk.context}\n{hit.chunk.text}" for hit in hits)
    return [
        Message("system", SYSTEM),
        Message(
            "user",
            f"Text:\n{passages}\n\n"
            f"Using only the text above, answer this question in one sentence: {question}",
        ),
    ]


PROMPT_VERSION = stable_id(SYSTEM, getsource(answer_messages))
"""Changes with what the model is told."""
