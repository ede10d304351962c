"""What the language model is told."""

from __future__ import annotations

from collections.abc import Sequence

from smartypants.types import Message, SearchHit

NOT_FOUND = "I could not find anything about this in the documents."

SYSTEM = (
    "You answer questions from the passages that the user gives, and from nothing else. "
    "Answer in one to three short sentences, in the words of the passages where you can. "
    f"If the passages do not hold the answer, say: {NOT_FOUND}"
)


def answer_messages(question: str, hits: Sequence[SearchHit]) -> list[Message]:
    """The conversation that asks for an answer; the passages come first, so that questions
    about the same ones share the engine's prefix cache."""
    passages = "\n\n".join(
        f"Passage {number} ({hit.title}):\n{hit.chunk.text}"
        for number, hit in enumerate(hits, start=1)
    )
    return [
        Message("system", SYSTEM),
        Message("user", f"{passages}\n\nQuestion: {question}\nAnswer from the passages only."),
    ]
