"""From parsed text to chunks: clean it, find the passages, and say where each stands.

`clean` and `spans` do the work, and run where hostile text can hurt nobody; `assemble` only cuts
the text at spans that were checked.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

from smartypants.outline import Heading, body_start, outline
from smartypants.protocols import Chunker
from smartypants.types import Chunk, Mark, ParsedDocument

MAX_CONTEXT_CHARS = 160
"""About as many tokens as `chunker.context_tokens` keeps free by default."""

MAX_COMBINING = 30
"""Combining characters on one letter; the limit of the Stream-Safe Text Format (UAX 15)."""

UNNAMED = "attachment"

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ufeff\u200b\u2060\ufffe\uffff\ud800-\udfff]")
# The look-behind keeps a long run of spaces inside a line from being tried at each of them.
_TRAILING_SPACE = re.compile(r"(?<![ \t\x0c])[ \t\x0c]+$", re.MULTILINE)


@cache
def _piles() -> re.Pattern[str]:
    """Runs of combining characters: to sort one in order costs the square of its length."""
    points = (chr(code) for code in range(0x300, 0x20000))
    combining = "".join(point for point in points if unicodedata.combining(point))
    return re.compile(f"([{combining}]{{{MAX_COMBINING}}})[{combining}]+")


@dataclass(frozen=True, slots=True)
class Span:
    """A passage before it is cut: its range and where it stands.

    `path` is the headings in force at its first line of text, `above` at its start.
    """

    start: int
    end: int
    path: tuple[Heading, ...] = ()
    above: tuple[Heading, ...] = ()
    page: str | None = None


def clean(parsed: ParsedDocument) -> ParsedDocument:
    """Unicode NFC, no control characters, no spaces at line ends; page marks move along."""
    text = parsed.text
    bounds = [0, *(mark.offset for mark in parsed.pages), len(text)]
    pieces = [clean_text(text[start:end]) for start, end in pairwise(bounds)]
    offsets = [0]
    for piece in pieces:
        offsets.append(offsets[-1] + len(piece))
    pages = tuple(
        Mark(offset, clean_line(mark.label))
        for offset, mark in zip(offsets[1:], parsed.pages, strict=False)
    )
    metadata = {
        clean_line(key): clean_text(value).strip() for key, value in parsed.metadata.items()
    }
    attachments = tuple(
        replace(item, name=clean_line(item.name) or UNNAMED) for item in parsed.attachments
    )
    title = clean_line(parsed.title or "") or None
    return ParsedDocument("".join(pieces), title, pages, metadata, attachments)


def clean_text(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFC", _piles().sub(r"\1", text))
    return _TRAILING_SPACE.sub("", _CONTROL.sub("", text))


def clean_line(text: str) -> str:
    """The same for what is shown in one line: a title, a label, an error's message."""
    return " ".join(clean_text(text).split())


def spans(text: str, pages: Sequence[Mark], chunker: Chunker) -> list[Span]:
    """The passages of a document's text, in order."""
    headings = outline(text)
    offsets = [mark.offset for mark in pages]
    found: list[Span] = []
    for start, end in chunker.split(text):
        body = body_start(text, start, end)
        page = bisect_right(offsets, body) - 1
        found.append(
            Span(
                start,
                end,
                path=headings.headings_at(body),
                above=headings.headings_at(start - 1) if start else (),
                page=pages[page].label if page >= 0 else None,
            )
        )
    return found


def assemble(
    text: str, spans: Sequence[Span], *, document_id: str, version: str, title: str
) -> tuple[Chunk, ...]:
    """The chunks that the spans stand for."""
    return tuple(
        Chunk(
            document_id=document_id,
            version=version,
            index=index,
            text=text[span.start : span.end],
            start=span.start,
            end=span.end,
            headings=tuple(name for _, name in span.path),
            page=span.page,
            context=_context(title, [name for _, name in span.above], text[span.start : span.end]),
            above=span.above,
        )
        for index, span in enumerate(spans)
    )


def _context(title: str, headings: Sequence[str], passage: str) -> str:
    """Title and headings above a passage, without what the passage itself begins with."""
    first_line = passage.split("\n", 1)[0].lstrip("# ").strip()
    parts = [part for part in dict.fromkeys((title, *headings)) if part != first_line]
    context = " > ".join(parts)
    return context if len(context) <= MAX_CONTEXT_CHARS else context[-MAX_CONTEXT_CHARS:]
