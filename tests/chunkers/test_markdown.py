"""The Markdown chunker, counted with MiniLM's real tokenizer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from smartypants.chunkers.markdown import MarkdownChunker
from smartypants.testing import ChunkerContract

LIMITS = (16, 64, 206)


@pytest.fixture(scope="module", params=LIMITS)
def max_tokens(request: pytest.FixtureRequest) -> int:
    limit: int = request.param
    return limit


@pytest.fixture(scope="module")
def chunker(minilm: Path, max_tokens: int) -> MarkdownChunker:
    return MarkdownChunker(tokenizer_path=str(minilm / "tokenizer.json"), max_tokens=max_tokens)


class TestContract(ChunkerContract):
    pass


_PIECES = st.sampled_from(
    [
        "# Heading\n", "## Below\n\n", "### C#\n", "plain words here. ", "\n\n", "\n", "   ", "\t",
        "antidisestablishmentarianism", "x" * 300, "- point\n", "| a | b |\n| --- | --- |\n",
        "```\ncode()\n```\n", "> quote\n", "今天天气很好。", "각종 문서를 ", "👩‍👩‍👧‍👦",
        "é", "\u0301", "\x0c",
        "http://example.com/a/very/long/path?with=query&and=more ", "1234567890.25 ", "#", "****",
    ]
)  # fmt: skip
_TEXTS = st.one_of(
    st.lists(st.tuples(_PIECES, st.integers(1, 40)).map(lambda p: p[0] * p[1]), max_size=30).map(
        "".join
    ),
    st.text(max_size=400),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=_TEXTS)
@example(text="각종" * 500)
@example(text="# Heading\n" + "antidisestablishmentarianism" * 2 + "\x0c" + "x" * 1_000)
@example(text="가" * 8_192 + "나 다" + "라" * 300)
def test_any_text(
    chunker: MarkdownChunker, max_tokens: int, count_tokens: Callable[[str], int], text: str
) -> None:
    ranges = chunker.split(text)
    end_before = 0
    for start, end in ranges:
        assert end_before <= start < end <= len(text)
        assert text[start:end].strip()
        if end - start > 1:  # one character alone may be more tokens than the limit
            assert count_tokens(text[start:end]) <= max_tokens
        end_before = end
    lost = list(text)
    for start, end in ranges:
        lost[start:end] = "\n" * (end - start)
    lines = "".join(lost).split("\n")
    assert all(line.lstrip().startswith("#") for line in lines if line.strip())
    assert bool(ranges) == bool(text.strip())


@pytest.mark.parametrize(
    "line",
    ["word " * 200_000, "x" * 1_000_000, "今天天气很好，" * 20_000],
    ids=["words", "x", "cjk"],
)
def test_line_of_a_megabyte(minilm: Path, count_tokens: Callable[[str], int], line: str) -> None:
    chunker = MarkdownChunker(tokenizer_path=str(minilm / "tokenizer.json"), max_tokens=206)
    ranges = chunker.split(line)
    assert sum(end - start for start, end in ranges) > 0.95 * len(line.replace(" ", ""))
    for start, end in ranges[:20] + ranges[-20:]:
        assert count_tokens(line[start:end]) <= 206


def test_chunks_begin_at_headings(minilm: Path) -> None:
    chunker = MarkdownChunker(tokenizer_path=str(minilm / "tokenizer.json"), max_tokens=64)
    sections = [f"# Section {n}\n\n" + f"Sentence {n} of it is plain. " * 7 for n in range(5)]
    text = "\n\n".join(sections)
    starts = [text[start:end].split("\n")[0] for start, end in chunker.split(text)]
    assert starts == [f"# Section {n}" for n in range(5)]


def test_heading_is_not_parted_from_its_text(minilm: Path) -> None:
    chunker = MarkdownChunker(tokenizer_path=str(minilm / "tokenizer.json"), max_tokens=32)
    text = "Before it. " * 8 + "\n\n## Alone\n\n" + "After it. " * 8
    assert not [cut for cut in chunker.split(text) if text[slice(*cut)].strip() == "## Alone"]


def test_small_sections_are_joined(minilm: Path) -> None:
    chunker = MarkdownChunker(tokenizer_path=str(minilm / "tokenizer.json"), max_tokens=206)
    text = "\n\n".join(f"## Q{n}\n\nYes." for n in range(10))
    assert len(chunker.split(text)) < 5


def test_table_is_cut_between_rows(minilm: Path) -> None:
    chunker = MarkdownChunker(tokenizer_path=str(minilm / "tokenizer.json"), max_tokens=64)
    text = "| name | value |\n| --- | --- |\n" + "| left cell | right cell |\n" * 60
    assert all(text[start] == "|" for start, _ in chunker.split(text))


def test_nothing_but_headings_is_kept(minilm: Path) -> None:
    chunker = MarkdownChunker(tokenizer_path=str(minilm / "tokenizer.json"), max_tokens=64)
    assert chunker.split("# Only\n\n## Headings\n")
    assert chunker.split("") == chunker.split(" \n ") == []
