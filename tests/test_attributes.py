"""What filters ask of a document, by hand and by hostile values."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartypants.attributes import Attributes, attributes, folded_author, instant, period
from smartypants.types import Filters


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023", at(2023, 1, 1)),
        ("2023-05", at(2023, 5, 1)),
        ("2023-5-7", at(2023, 5, 7)),
        ("2023-05-07T10:00:00+02:00", at(2023, 5, 7, 8)),
        ("2023-05-07 10:00", at(2023, 5, 7, 10)),
        ("Tue, 3 Mar 2026 09:12:00 +0100", at(2026, 3, 3, 8, 12)),
        ("D:20230507101112+02'00'", at(2023, 5, 7, 8, 11, 12)),
        ("D:20230507101112Z", at(2023, 5, 7, 10, 11, 12)),
        ("D:2023", at(2023, 1, 1)),
        ("D:", None),
        ("2023-13", None),
        ("0000", None),
        ("last week", None),
        ("", None),
    ],
)
def test_instant(text: str, expected: float | None) -> None:
    assert instant(text) == expected


def test_period() -> None:
    assert period("2023") == (at(2023, 1, 1), at(2024, 1, 1))
    assert period("2023-12") == (at(2023, 12, 1), at(2024, 1, 1))
    assert period("2024-02-29") == (at(2024, 2, 29), at(2024, 3, 1))
    assert period("2023-02-29") is None
    assert period("2023-05-07T10:00") is None


@given(st.text() | st.from_regex(r"(D:)?[0-9:+\-TZ' ]{0,24}"))
def test_any_date_is_read_or_none(text: str) -> None:
    for found in (instant(text), (period(text) or (None,))[0]):
        assert found is None or abs(found) < 1e12


@given(st.text())
def test_folded_authors_are_words(name: str) -> None:
    folded = folded_author(name)
    assert folded == "" or (folded[0] == folded[-1] == " " and folded.strip())
    assert all(char.isalnum() or char == " " for char in folded)
    assert folded_author(folded) == folded


def test_what_the_source_says_comes_first() -> None:
    found = attributes(
        media_type=None,
        name="a.PDF",
        metadata={"Author": "Ann Ek", "date": "no date", "created": "2024-01-02"},
        parsed={"from": "Bob <b@x.org>", "date": "Tue, 3 Mar 2026 09:12:00 +0100"},
    )
    assert found == Attributes("application/pdf", " ann ek ", int(at(2024, 1, 2)))
    mail = attributes(
        media_type="message/rfc822", name="m", metadata={}, parsed={"from": "B <b@x>"}
    )
    assert mail == Attributes("message/rfc822", " b b x ", None)


def test_match_without_a_date() -> None:
    assert Attributes().match(Filters())
    assert not Attributes().match(Filters(before=1e12))
    assert not Attributes(author=" ann ").match(Filters(authors=("?",)))
