"""The headings of a Markdown text, and which of them are in force where."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

_LINE = re.compile(r"^ {0,3}(?:(#{1,6})[ \t]+(.*)|(`{3,}|~{3,}).*)$", re.MULTILINE)
MAX_HEADING_CHARS = 120


Heading = tuple[int, str]
"""Level, 1 to 6, and text."""


@dataclass(frozen=True, slots=True)
class Outline:
    """Heading paths by the offset from which they hold, both in order."""

    offsets: tuple[int, ...]
    headings: tuple[tuple[Heading, ...], ...]
    above: tuple[Heading, ...] = ()

    @property
    def paths(self) -> tuple[tuple[str, ...], ...]:
        """The texts of the heading paths."""
        return tuple(_texts(path) for path in self.headings)

    def at(self, offset: int) -> tuple[str, ...]:
        """The texts of the headings in force at a character offset, outermost first."""
        return _texts(self.headings_at(offset))

    def headings_at(self, offset: int) -> tuple[Heading, ...]:
        """The same with their levels."""
        index = bisect_right(self.offsets, offset) - 1
        return self.headings[index] if index >= 0 else self.above


def outline(text: str, above: tuple[Heading, ...] = ()) -> Outline:
    """Read the ATX headings (CommonMark 4.2) outside fenced code.

    `above` are the headings in force where the text starts.
    """
    found = list(_paths(text, above))
    return Outline(tuple(offset for offset, _ in found), tuple(path for _, path in found), above)


def first_heading(text: str) -> str | None:
    """The text of a document's first heading, read no further than that."""
    for _, path in _paths(text, ()):
        return path[0][1]
    return None


def _paths(text: str, above: tuple[Heading, ...]) -> Iterator[tuple[int, tuple[Heading, ...]]]:
    """Where each heading stands, and the headings in force from there."""
    path = above
    fence = ""
    for match in _LINE.finditer(text):
        hashes, heading, marker = match.groups()
        if marker is not None:
            if not fence:
                fence = marker
            elif marker.startswith(fence):
                fence = ""
        elif not fence and (heading := _without_closing_hashes(heading)):
            level = len(hashes)
            outer = [item for item in path if item[0] < level]
            path = (*outer, (level, heading[:MAX_HEADING_CHARS]))
            yield match.start(), path


def _texts(path: tuple[Heading, ...]) -> tuple[str, ...]:
    return tuple(text for _, text in path)


def _without_closing_hashes(heading: str) -> str:
    heading = heading.rstrip()
    bare = heading.rstrip("#")
    return bare.rstrip() if not bare or bare[-1] in " \t" else heading


def body_start(text: str, start: int, end: int) -> int:
    """The offset of the first line of a passage that is no heading; `end` - 1 if all are."""
    at = start
    for line in text[start:end].splitlines(keepends=True):
        if line.strip() and not _LINE.fullmatch(line.rstrip("\n")):
            return at
        at += len(line)
    return max(end - 1, start)
