from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartypants.citing import Aligner, CitationStream
from smartypants.types import Chunk, Citation, Delta, SearchHit
from tests.hits import hit

VACATION = "Employees get 25 days of paid vacation a year. Unused days expire in March."
REMOTE = "Remote work is not allowed on Fridays. Laptops cost 1,200.50 euros."


def stream(*passages: str) -> CitationStream:
    hits = [hit(text, f"d{number}") for number, text in enumerate(passages)]
    return CitationStream(Aligner(hits, min_support=0.6))


def run(cited: CitationStream, *pieces: str) -> list[Delta | Citation]:
    events = [event for piece in pieces for event in cited.feed(piece)]
    return [*events, *cited.finish()]


def test_supported_sentence_gets_the_exact_passage() -> None:
    cited = stream(REMOTE, VACATION)
    run(cited, "Employees get 25 days of paid ", "vacation a year.")
    assert cited.text == "Employees get 25 days of paid vacation a year. [1]"
    [citation] = cited.citations
    assert citation.document_id == "d1"
    assert VACATION[citation.start : citation.end] == citation.passage
    assert citation.passage == "Employees get 25 days of paid vacation a year."


@pytest.mark.parametrize(
    "sentence",
    [
        "Employees get 30 days of paid vacation a year.",  # another number
        "Employees do not get 25 days of paid vacation a year.",  # the contrary
        "Remote work is allowed on Fridays.",  # the contrary of a negation
        "Penguins live in the southern hemisphere.",
        "Yes.",
    ],
)
def test_unsupported_sentence_gets_none(sentence: str) -> None:
    cited = stream(REMOTE, VACATION)
    run(cited, sentence)
    assert cited.text == sentence
    assert (cited.citations, cited.supported, cited.sentences) == ([], 0, 1)


def test_brackets_of_the_model_are_dropped_wherever_they_are_cut() -> None:
    cited = stream(VACATION)
    run(cited, "Unused days expire in March [", "7", ", 8]", ". See [", "the handbook].")
    assert cited.text == "Unused days expire in March. [1] See [the handbook]."


def test_same_passage_keeps_its_number_and_is_announced_once() -> None:
    cited = stream(VACATION, REMOTE)
    events = run(
        cited,
        "Unused days expire in March. Laptops cost 1,200.50 euros. Unused days expire in March.",
    )
    assert cited.text.count("[1]") == 2
    assert cited.text.count("[2]") == 1
    assert [event.number for event in events if isinstance(event, Citation)] == [1, 2]


def test_sentence_may_be_supported_by_several_together() -> None:
    cited = stream("The office is in Port Ellery. It has 40 desks.")
    run(cited, "The office in Port Ellery has 40 desks.")
    assert cited.citations[0].passage == "The office is in Port Ellery. It has 40 desks."


def test_wrapped_line_does_not_end_a_sentence_but_a_list_item_does() -> None:
    cited = stream(
        "The buoy of the harbour\nweighs 74 kilograms.\n- It floats\n- It glows at night"
    )
    run(cited, "The buoy of the harbour weighs 74 kilograms. It always glows at night.")
    passages = [citation.passage for citation in cited.citations]
    assert passages == ["The buoy of the harbour\nweighs 74 kilograms.", "- It glows at night"]


def test_heading_supports_nothing_but_names_the_section() -> None:
    text = "## Illness\n\nCall your manager.\n\n## Pension\n\nThe pension plan gets six per cent."
    chunk = Chunk("d", "v", 0, text, 50, 50 + len(text), above=((1, "Handbook"), (2, "Leave")))
    aligner = Aligner([SearchHit(chunk, 1.0, {}, "T", "u", "s")], min_support=0.6)
    citation = aligner.support("The pension plan gets six per cent.")
    assert citation is not None
    assert citation.section == "Handbook > Pension"
    assert citation.start == 50 + text.index("The pension")
    assert aligner.support("## Pension Illness") is None


@given(st.text("ab .[]1,2\n!?", max_size=80), st.integers(1, 7))
def test_text_is_the_sum_of_its_deltas_however_it_is_cut(text: str, size: int) -> None:
    cited = stream(VACATION)
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    events = run(cited, *pieces)
    assert "".join(event.text for event in events if isinstance(event, Delta)) == cited.text


@given(st.lists(st.sampled_from([*VACATION.split(), "[1]", "[2", ", 3]", "\n"]), max_size=30))
def test_no_citation_without_its_number_in_the_text(words: list[str]) -> None:
    cited = stream(VACATION, REMOTE)
    run(cited, *(f"{word} " for word in words))
    for citation in cited.citations:
        assert f"[{citation.number}]" in cited.text
        assert citation.passage in VACATION
