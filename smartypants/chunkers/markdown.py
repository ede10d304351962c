"""Cuts Markdown along headings, paragraphs, tables and sentences, by exact token counts."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from itertools import pairwise

from smartypants.tokenizing import load_tokenizer

Range = tuple[int, int]

_WINDOW = 8_192
"""Characters that the splitter sees at once: on one endless line its cost is not linear."""

_CHARS_PER_TOKEN = 8
"""No chunk is longer, whatever its tokens: a word of 100 letters and more is one token."""

_REMOVED = "\x0b\x0c\x1c\x1d\x1e\x1f\x85"
"""White space that BERT's tokenizer takes out as control characters: it joins words."""

# Possessive throughout: a heading such as "# # # #" must have one reading, not 2^n.
_ONLY_HEADINGS = re.compile(r"(?:\s*+#{1,6}+[ \t]++[^\n]*+)++\s*+")


class MarkdownChunker:
    """Chunks of at most `max_tokens` (the model's special tokens not counted).

    `semantic-text-splitter` finds the cuts by characters, for it is fast that way; each chunk
    is then counted in tokens, and cut again where it has too many. Small neighbours are joined.
    Without a tokenizer the count is an estimate.

    >>> chunker = MarkdownChunker(tokenizer_path="/models/MiniLM/tokenizer.json", max_tokens=200)
    >>> chunker.split("# Title\\n\\nA paragraph.")
    [(0, 21)]
    """

    def __init__(self, *, tokenizer_path: str | None, max_tokens: int) -> None:
        self._tokenizer = load_tokenizer(tokenizer_path)
        self._max_tokens = max_tokens

    def split(self, text: str) -> list[Range]:
        ends = self._token_ends(text)
        per_token = min(len(text) / max(len(ends), 1), _CHARS_PER_TOKEN)
        capacity = max(int(self._max_tokens * per_token * 0.95), 1)
        ranges: list[Range] = []
        for start, end in _windows(text):
            ranges += self._cut(text, (start, end), capacity, ends)
        return self._join(text, ranges, ends)

    def _token_ends(self, text: str) -> list[int]:
        """The character offset at which each token ends."""
        windows = _windows(text)
        encodings = self._tokenizer.encode_batch(
            [text[start:end] for start, end in windows], add_special_tokens=False
        )
        return [
            start + end
            for (start, _), encoding in zip(windows, encodings, strict=True)
            for _, end in encoding.offsets
        ]

    def _cut(self, text: str, piece: Range, capacity: int, ends: list[int]) -> list[Range]:
        from semantic_text_splitter import MarkdownSplitter

        found: list[Range] = []
        todo = [(piece, capacity)]
        while todo:
            (start, end), size = todo.pop()
            splitter = MarkdownSplitter(size)
            for offset, part in splitter.chunk_indices(text[start:end]):
                cut = (start + offset, start + offset + len(part))
                tokens = self._count(text, cut, ends)
                if tokens <= self._max_tokens:
                    found.append(cut)
                elif len(part) == 1:
                    found.append(cut)  # one character that is many tokens
                else:
                    smaller = int(len(part) * self._max_tokens / tokens * 0.95)
                    todo.append((cut, max(min(smaller, len(part) - 1), 1)))
        return sorted(cut for cut in found if text[slice(*cut)].strip())

    def _count(self, text: str, cut: Range, ends: list[int]) -> int:
        start, end = cut
        tokens = bisect_right(ends, end) - bisect_right(ends, start)
        inside_word = _splits_word(text, start) or _splits_word(text, end)
        if not inside_word and tokens <= self._max_tokens:
            return tokens
        # A cut inside a word changes its tokens: only counting again tells.
        return len(self._tokenizer.encode(text[start:end], add_special_tokens=False))

    def _join(self, text: str, ranges: list[Range], ends: list[int]) -> list[Range]:
        """Join small neighbours where the limit allows, and headings with what follows them."""
        joined: list[Range] = []
        for cut in ranges:
            if joined and self._belongs(text, joined[-1], cut, ends):
                joined[-1] = (joined[-1][0], cut[1])
            else:
                joined.append(cut)
        # A heading that found no room with its text stays known as that text's heading path.
        bare = [bool(_ONLY_HEADINGS.fullmatch(text, *cut)) for cut in joined]
        kept = [
            cut
            for cut, (now, after) in zip(joined, pairwise([*bare, True]), strict=True)
            if not now or after
        ]
        return kept or joined

    def _belongs(self, text: str, before: Range, cut: Range, ends: list[int]) -> bool:
        whole = (before[0], cut[1])
        if whole[1] - whole[0] > self._max_tokens * _CHARS_PER_TOKEN:
            return False
        if bisect_left(ends, whole[1]) - bisect_left(ends, whole[0]) >= self._max_tokens:
            return False
        starts_section = text.startswith("#", cut[0])
        if starts_section and not _ONLY_HEADINGS.fullmatch(text, *before):
            if _ONLY_HEADINGS.fullmatch(text, *cut):
                return False
            small = self._max_tokens // 8
        else:
            small = self._max_tokens // 2
        sizes = [bisect_left(ends, end) - bisect_left(ends, start) for start, end in (before, cut)]
        return min(sizes) <= small and self._count(text, whole, ends) <= self._max_tokens


def _windows(text: str) -> list[Range]:
    """Consecutive pieces of limited length, cut before a heading, a paragraph, a line or a word."""
    windows: list[Range] = []
    start = 0
    while start < len(text):
        end = start + _WINDOW
        if end >= len(text):
            end = len(text)
        else:
            for mark in ("\n#", "\n\n", "\n", " "):
                cut = text.rfind(mark, start + _WINDOW // 2, end)
                if cut > 0:
                    end = cut + 1
                    break
        windows.append((start, end))
        start = end
    return windows


def _splits_word(text: str, at: int) -> bool:
    return 0 < at < len(text) and not _separates(text[at - 1]) and not _separates(text[at])


def _separates(character: str) -> bool:
    return character.isspace() and character not in _REMOVED


PLUGIN = MarkdownChunker
