"""What BM25 compares."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartypants.terms import terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Foxes are running", "fox run"),
        ("Café, naïve! RÉSUMÉ", "cafe naiv resum"),
        ("ﬁle №5 ２０２４", "file no5 2024"),
        ("error_code E-1234 v2.0", "error_cod e 1234 v2 0"),
        ("", ""),
        ("the and of", ""),
        ("?!… \x00 👍", ""),
        ("東京 Straße", "東京 straße"),
    ],
)
def test_terms(text: str, expected: str) -> None:
    assert terms(text) == expected


def test_forms_of_a_word_agree() -> None:
    assert terms("indexing") == terms("indexed") == terms("INDEX")


@given(text=st.text())
def test_any_text(text: str) -> None:
    found = terms(text)
    assert found == " ".join(found.split())
    assert found == terms(text)
