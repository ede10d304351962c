"""What the language model is told."""

from __future__ import annotations

from collections.abc import Sequence

from smartypants.types import Message, SearchHit

NOT_FOUND = "I could not find anything about this in the documents."

SYSTEM = (
    "Answer the question in one or two short sentences, using only the text that the user gives."
)


def answer_messages(question: str, hits: Sequence[SearchHit]) -> list[Message]:
    """The conversation that asks for an answer.

    The best passage comes last, next to the question: models read the ends of a long prompt
    best, and a small one little else. It is not told to say when the text holds no answer (a
    small model then says so always); what nothing supports shows by its missing citation.
    """
    passages = "\n\n".join(f"{hit.chunk.context}\n{hit.chunk.text}" for hit in reversed(hits))
    return [
        Message("system", SYSTEM),
        Message(
            "user",
            f"Text:\n{passages}\n\n"
            f"Using only the text above, answer this question in one sentence: {question}",
        ),
    ]
