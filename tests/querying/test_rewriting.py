from __future__ import annotations

import pytest

from smartypants.querying.asking import StepSkipped
from smartypants.querying.rewriting import TURN_CHARS, TURNS, checked, leans, messages
from smartypants.types import Message

TALK = (
    Message("user", "What were the harbour fees in 2022?"),
    Message("assistant", "They were 40 crowns a metre."),
)


@pytest.mark.parametrize(
    "text",
    ["and in 2023?", "How much is it for a yacht in winter?", "What about larger boats there?",
     "Virtualization", "Who wrote that report on the crane?", "Then who pays for the crane then?"],
)  # fmt: skip
def test_questions_that_lean(text: str) -> None:
    assert leans(text)


@pytest.mark.parametrize(
    "text",
    ["What is the notice period of a berth in winter?",
     "How does Watson Assistant store user identities?",
     "Which harbours charge fees by the metre?"],
)  # fmt: skip
def test_questions_that_stand_by_themselves(text: str) -> None:
    assert not leans(text)


def test_what_the_model_sees_is_bounded() -> None:
    long = tuple(Message("user", "x" * 10_000) for _ in range(50))
    told = messages("and then?", (Message("system", "secret"), *long), "de")
    assert sum(len(message.content) for message in told) < TURNS * (TURN_CHARS + 20) + 1_000
    assert "German" in told[0].content
    assert all("secret" not in message.content for message in told)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("What were the harbour fees in 2023?", "What were the harbour fees in 2023?"),
        ('\nRewritten question: "What were the harbour fees in 2023?"\nI hope this helps',
         "What were the harbour fees in 2023?"),
    ],
)  # fmt: skip
def test_a_good_question(said: str, expected: str) -> None:
    assert checked(said, "and in 2023?", TALK) == expected


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("", "no question"),
        (" \n ", "no question"),
        ('Question: ""', "no question"),
        ("What were the harbour fees in 2022?", "something else"),
        (
            "In 2023 president Macron visited Norway, Sweden and Finland by train?",
            "words of its own",
        ),
        ("in 2023 " * 100, "too much"),
    ],
)
def test_a_question_that_is_not_trusted(said: str, reason: str) -> None:
    with pytest.raises(StepSkipped, match=reason):
        checked(said, "and in 2023?", TALK)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("So, do you have a number for the crane?", "I do not have a number for the crane."),
        ("So, do you have a number for the crane?", "There is a number for the crane."),
        ("The crane", "The document does not have the crane."),
        ("The crane", "Here are the harbour fees for the crane:"),
        ("That means the crane costs more", "The answer to your question is: the crane costs more"),
    ],
)
def test_an_answer_is_no_question(question: str, said: str) -> None:
    with pytest.raises(StepSkipped, match="answered instead"):
        checked(said, question, TALK)


@pytest.mark.parametrize(
    ("question", "whole"),
    [
        ("and the crane?", "What about the harbour crane?"),
        ("The crane", "Harbour fees for the crane"),
    ],
)
def test_what_reads_like_a_question_is_one(question: str, whole: str) -> None:
    assert checked(whole, question, TALK) == whole
