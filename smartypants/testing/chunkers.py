"""What any `Chunker` does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from smartypants.protocols import Chunker

CHUNKER_TEXTS = {
    "sections": "\n\n".join(
        f"{'#' * (1 + n % 3)} Section {n}\n\n" + f"Sentence {n} says something plain. " * (3 * n)
        for n in range(12)
    ),
    "one short line": "Just this.",
    "paragraphs": "\n\n".join(f"Paragraph {n} is here, and it is not long." for n in range(90)),
    "endless line": "word " * 5_000,
    "endless word": "x" * 9_000,
    "chinese": "今天天气很好，我们去公园散步。" * 300,
    "korean": "각종 문서를 찾아 읽습니다. " * 300,
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 family " * 200,
    "table": "| name | value |\n| --- | --- |\n" + "| a cell | another cell |\n" * 300,
    "code": "```python\n" + "def f(x):\n    return x + 1  # a comment\n\n" * 100 + "```\n",
    "list": "".join(f"- point {n}\n  - with a point below\n" for n in range(200)),
    "windows": "First line.\r\n\r\nSecond line.\r\n" * 100,
    "white space": "a" + " \n\t" * 3_000 + "b",
    "symbols": "# # # # # # # # # # # # # # # # # # # # # # # # #\ntext " * 20,
    "headings alone": "# One\n\n## Two\n\n### Three\n",
}


@pytest.mark.parametrize("text", CHUNKER_TEXTS.values(), ids=CHUNKER_TEXTS.keys())
class ChunkerContract:
    """What any `Chunker` does.

    Give the fixtures `chunker`, `max_tokens` (its limit) and `count_tokens` (by the real
    tokenizer, special tokens left out).
    """

    def test_ranges_are_in_order(self, chunker: Chunker, text: str) -> None:
        end_before = 0
        for start, end in chunker.split(text):
            assert end_before <= start < end <= len(text)
            end_before = end

    def test_keeps_the_limit(
        self, chunker: Chunker, text: str, max_tokens: int, count_tokens: Callable[[str], int]
    ) -> None:
        for start, end in chunker.split(text):
            assert count_tokens(text[start:end]) <= max_tokens

    def test_none_is_only_white_space(self, chunker: Chunker, text: str) -> None:
        assert all(text[start:end].strip() for start, end in chunker.split(text))

    def test_loses_headings_and_white_space_at_most(self, chunker: Chunker, text: str) -> None:
        covered = [False] * len(text)
        for start, end in chunker.split(text):
            covered[start:end] = [True] * (end - start)
        lost = "".join(char if not seen else "\n" for char, seen in zip(text, covered, strict=True))
        assert all(line.lstrip().startswith("#") for line in lost.splitlines() if line.strip())
        assert any(covered)

    def test_same_text_same_ranges(self, chunker: Chunker, text: str) -> None:
        assert chunker.split(text) == chunker.split(text)
