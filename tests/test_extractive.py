from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartypants.answerability import answerability, features
from smartypants.citing import Aligner, cite, is_text_of
from smartypants.extractive import extract
from smartypants.particulars import particulars
from smartypants.sentences import spans
from tests.hits import hit

LEASE = """# Lease

It was signed in Bern. The notice period
is three months! Ask the landlord:

- Pets are allowed.
- Keys are handed over on the first day.
"""
QUESTION = "How long is the notice period?"


def test_sentence_that_carries_the_question_comes_first() -> None:
    hits = [hit("Bern has a bear park. It is old.", "a"), hit(LEASE, "b", start=100)]
    best, second = extract(QUESTION, hits, sentences=2)
    assert best.passage == "The notice period\nis three months!"
    assert (best.number, best.document_id, best.support) == (1, "b", 1.0)
    assert is_text_of(best, hits[1])
    assert second.number == 2


def test_no_sentence_twice_and_no_heading() -> None:
    found = extract(QUESTION, [hit(LEASE, "a"), hit(LEASE, "b")], sentences=10)
    passages = [item.passage for item in found]
    assert len(passages) == len(set(passages)) == 5
    assert not any("#" in passage for passage in passages)
    assert extract(QUESTION, [hit("# Only a heading")], sentences=2) == []
    assert extract(QUESTION, [], sentences=2) == []


@given(st.text(max_size=300), st.text(max_size=60), st.integers(0, 1000))
def test_every_citation_is_text_of_its_document(text: str, question: str, start: int) -> None:
    given_hit = hit(text, start=start)
    for citation in extract(question, [given_hit], sentences=3):
        assert is_text_of(citation, given_hit)


def test_what_is_not_text_of_the_document_is_told() -> None:
    given_hit = hit(LEASE, start=100)
    citation = cite(given_hit, 10, 20, number=1, support=1.0)
    aligner = Aligner([given_hit], min_support=0.6)
    assert aligner.genuine(citation)
    for wrong in (
        replace(citation, passage="something else"),
        replace(citation, start=citation.start + 1),
        replace(citation, start=citation.start - 100, end=citation.end - 100),
        replace(citation, document_id="b"),
        replace(citation, chunk_id="another"),
    ):
        assert not aligner.genuine(wrong)


def test_what_fits_better_is_likelier_to_hold_the_answer() -> None:
    good = [hit(LEASE, similarity=0.7)]
    far = [hit(LEASE, similarity=0.1)]
    off = [hit("A bear park is in Bern.", similarity=0.7)]
    assert answerability(QUESTION, good) > max(
        answerability(QUESTION, far), answerability(QUESTION, off)
    )
    assert answerability(QUESTION, []) == 0.0
    seen = features(QUESTION, good)
    assert (seen.similarity, seen.coverage) == (0.7, 2 / 3)  # "long" is nowhere


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("How old is Ann?", "What age is Ann?", True),
        ("How old is Ann?", "How old is Bob?", False),
        ("What happened in 1990?", "What happened in 1991?", False),
        ("Who may vote?", "Who may not vote?", False),
        ("Who came first?", "Who came last?", False),
        ("Who came first, who last?", "Who came last, who first?", True),
        ("What is Ann's age?", "Ann is how old?", True),
        ("When was it before the war?", "When was it prior to the war?", True),
    ],
)
def test_particulars(one: str, other: str, agree: bool) -> None:
    assert particulars(one).agree(particulars(other)) == agree
    assert particulars(other).agree(particulars(one)) == agree


@pytest.mark.parametrize("between", ["\n", "\n\n", "\n- "])
def test_text_right_below_a_heading_is_no_heading(between: str) -> None:
    text = f"# Fees{between}The harbour fee is 12 euros a night.\n## Ends\nIt ends in May."
    said = [text[start:end].removeprefix("- ") for start, end in spans(text)]
    assert said == ["The harbour fee is 12 euros a night.", "It ends in May."]
