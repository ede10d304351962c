from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartypants.querying.language import detect, may_be_english, name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is the notice period of this lease?", "en"),
        ("Wie lange ist die Kündigungsfrist?", "de"),
        ("¿Cuál es el plazo de preaviso?", "es"),
        ("fees", None),
        ("", None),
    ],
)
def test_language(text: str, expected: str | None) -> None:
    assert detect(text) == expected


def test_what_follows_from_it() -> None:
    assert may_be_english(None)
    assert may_be_english("en")
    assert not may_be_english("de")
    assert (name("de"), name(None), name("xx")) == ("German", "", "")


@given(st.text())
def test_any_text(text: str) -> None:
    found = detect(text)
    assert found is None or found.isprintable()
