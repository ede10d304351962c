"""The headings of a Markdown text, and which of them are in force where."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

_LINE = re.compile(r"^ {0,3}(?:(#{1,6})[ \t]+(.*)|(`{3,}|~{3,}).*)$", re.MULTILINE)
MAX_HEADING_CHARS = 120


@dataclass(frozen=True, slots=True)
class Outline:
    """Heading paths by the offset from which they hold, both in order."""

    offsets: tuple[int, ...]
    paths: tuple[tuple[str, ...], ...]

    def at(self, offset: int) -> tuple[str, ...]:
        """The headings in force at a character offset, outermost first."""
        index = bisect_right(self.offsets, offset) - 1
        return self.paths[index] if index >= 0 else ()


def outline(text: str) -> Outline:
    """Read the ATX headings (CommonMark 4.2) outside fenced code."""
    offsets: list[int] = []
    paths: list[tuple[str, ...]] = []
    open_headings: list[tuple[int, str]] = []
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
            open_headings = [item for item in open_headings if item[0] < level]
            open_headings.append((level, heading[:MAX_HEADING_CHARS]))
            offsets.append(match.start())
            paths.append(tuple(name for _, name in open_headings))
    return Outline(tuple(offsets), tuple(paths))


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
