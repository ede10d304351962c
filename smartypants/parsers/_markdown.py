"""What the parsers share: Markdown from HTML, tables, and parts joined with their marks."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from smartypants.errors import DocumentTooLarge, DocumentUnreadable
from smartypants.types import Mark

MAX_CELLS = 20_000_000

_TITLE = re.compile(r"<title(?:\s[^<>]*)?>", re.IGNORECASE)
_TITLE_END = re.compile(r"</title", re.IGNORECASE)
_GAPS = re.compile(r"\n{3,}")


def from_html(source: str, *, name: str) -> str:
    """The readable part of an HTML page as Markdown, without navigation and scripts.

    Raises `DocumentUnreadable`.
    """
    import html_to_markdown

    options = html_to_markdown.ConversionOptions(
        extract_metadata=False,
        skip_images=True,
        compact_tables=True,
        exclude_selectors=["nav", "footer", "aside", "script", "style", "template"],
    )
    try:
        return (html_to_markdown.convert(source, options).content or "").strip()
    except html_to_markdown.ConversionError as exc:
        raise DocumentUnreadable(f"{name} holds no readable HTML: {exc}") from exc


def html_title(source: str) -> str | None:
    """The text of the page's `<title>`, if it has one."""
    head = source[:100_000]
    start = _TITLE.search(head)
    end = _TITLE_END.search(head, start.end()) if start else None
    if start is None or end is None:
        return None
    return " ".join(html.unescape(head[start.end() : end.start()]).split()) or None


def table(rows: Sequence[Sequence[object]], *, name: str) -> str:
    """Rows as a Markdown table; the first row is its head. Raises `DocumentTooLarge`."""
    width = max((len(row) for row in rows), default=0)
    if width == 0:
        return ""
    if width * len(rows) > MAX_CELLS:
        raise DocumentTooLarge(
            f"{name} has a table of {len(rows)} rows and {width} columns.", "Split the document."
        )
    cells = [[_cell(value) for value in row] for row in rows]
    lines = [f"| {' | '.join(row + [''] * (width - len(row)))} |" for row in cells]
    lines.insert(1, "|" + " --- |" * width)
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return " ".join(str(value).split()).replace("|", "\\|")


def join(parts: Iterable[tuple[str | None, str]]) -> tuple[str, tuple[Mark, ...]]:
    """Labelled parts as one text, and where each labelled one starts; empty ones are left out."""
    texts: list[str] = []
    marks: list[Mark] = []
    offset = 0
    for label, part in parts:
        text = _GAPS.sub("\n\n", part).strip()
        if not text:
            continue
        if label is not None:
            marks.append(Mark(offset, label))
        texts.append(text)
        offset += len(text) + 2
    return "\n\n".join(texts), tuple(marks)
