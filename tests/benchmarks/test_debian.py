"""The questions on Debian's documentation, as far as the books need not be there."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import _debian
from smartypants.errors import SetupError


def test_questions_name_pages_of_the_books() -> None:
    questions = _debian.questions()
    assert len(questions) >= 60
    assert len({question.id for question in questions}) == len(questions)
    assert len({question.text for question in questions}) == len(questions)
    books: Counter[str] = Counter()
    for question in questions:
        assert question.text.endswith("?")
        assert question.relevant
        for document, quote in question.relevant.items():
            book, page = document.split("/")
            books[book] += 1
            assert page.endswith(".html")
            assert quote not in question.text
    assert set(books) == set(_debian.BOOKS)
    assert min(books.values()) >= 5


def test_quotations_are_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A book that says something else than it did is noticed."""
    inside = tmp_path / "unpacked" / "debian-faq" / "faq"
    inside.mkdir(parents=True)
    (inside / "a.en.html").write_text("<head>x</head><p>Hello,\n <b>world</b> &amp; all</p>")
    (inside / "a.html").write_text("the same page once more")
    monkeypatch.setattr(_debian, "BOOKS", {"faq": ("debian-faq", "faq")})
    file = tmp_path / "questions.jsonl"
    monkeypatch.setattr(_debian, "QUESTIONS", file)

    def ask(quote: str) -> None:
        relevant = [{"document": "faq/a.en.html", "quote": quote}]
        file.write_text(json.dumps({"_id": "1", "text": "Who?", "relevant": relevant}) + "\n")
        _debian.fetch(tmp_path, tmp_path / "pages")

    ask("Hello, world & all")
    assert [page.name for page in (tmp_path / "pages" / "faq").iterdir()] == ["a.en.html"]
    with pytest.raises(SetupError, match="does not say 'Hello, moon'"):
        ask("Hello, moon")
