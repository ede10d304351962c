"""Clean text, and passages that know where they stand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartypants.chunkers.markdown import MarkdownChunker
from smartypants.chunking import (
    MAX_COMBINING,
    MAX_CONTEXT_CHARS,
    assemble,
    clean,
    clean_line,
    clean_text,
    spans,
)
from smartypants.types import Mark, ParsedDocument


@pytest.fixture(scope="module")
def chunker(minilm: Path) -> MarkdownChunker:
    return MarkdownChunker(tokenizer_path=str(minilm / "tokenizer.json"), max_tokens=40)


def test_context_is_short_and_does_not_repeat(chunker: MarkdownChunker) -> None:
    parsed = ParsedDocument(
        "# Title\n\n" + "words " * 100 + "\n\n## " + "long " * 60 + "\n\n" + "b " * 99
    )
    found = spans(parsed.text, (), chunker)
    chunks = assemble(parsed.text, found, document_id="d", version="v", title="Title")
    assert chunks[0].context == ""
    assert chunks[1].context == "Title"
    assert all(len(chunk.context) <= MAX_CONTEXT_CHARS for chunk in chunks)


def test_clean_moves_the_marks_along() -> None:
    parsed = ParsedDocument(
        "a\x00\u200b b  \n\nPAGE e\u0301 \n", "T\x00itle\ufeff ", (Mark(9, "2"),), {"k": "v"}
    )
    cleaned = clean(parsed)
    assert cleaned.text == "a b\n\nPAGE \xe9\n"
    assert [(cleaned.text[m.offset :][:4], m.label) for m in cleaned.pages] == [("PAGE", "2")]
    assert (cleaned.title, cleaned.metadata) == ("Title", {"k": "v"})


@given(
    parts=st.lists(st.text(alphabet="ae\u0301 \n\t\x00\u200b\ud800\x0c", max_size=12), max_size=6)
)
def test_clean_text_is_clean(parts: list[str]) -> None:
    offsets = [len("".join(parts[:n])) for n in range(len(parts))]
    marks = tuple(Mark(offset, str(n)) for n, offset in enumerate(offsets))
    cleaned = clean(ParsedDocument("".join(parts), pages=marks))
    cleaned.text.encode()
    assert not set(cleaned.text) & set("\x00\u200b\ud800")
    assert [mark.label for mark in cleaned.pages] == [mark.label for mark in marks]
    found = [mark.offset for mark in cleaned.pages]
    assert found == sorted(found)
    assert all(0 <= offset <= len(cleaned.text) for offset in found)


def test_spaces_without_end_do_not_take_for_ever() -> None:
    text = "a" + " " * 1_000_000 + "b"
    assert clean(ParsedDocument(text)).text == text


def test_piles_of_accents_are_lowered() -> None:
    assert clean_text("e\u0301") == "\xe9"
    pile = "e" + "\u0301\u0323" * 500_000 + "f"
    assert len(clean_text(pile)) <= MAX_COMBINING + 2
    assert clean_text(pile).endswith("f")
    thai = "\u0e01\u0e38\u0e48" * 100  # each letter has its own marks
    assert clean_text(thai) == thai


def test_one_line() -> None:
    assert clean_line(" a\n\tb\x00 \ud800c ") == "a b c"
    assert clean_line("") == ""


def test_pages_of_many_chunks() -> None:
    class Letters:
        def split(self, text: str) -> list[tuple[int, int]]:
            return [(at, at + 1) for at in range(len(text))]

    pages = [Mark(offset, str(offset)) for offset in range(0, 20_000, 2)]
    found = spans("x" * 20_000, pages, Letters())
    assert [span.page for span in found[:4]] == ["0", "0", "2", "2"]
    assert found[-1].page == "19998"
