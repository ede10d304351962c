"""PDF files that have a text layer, with headings guessed from the font size."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from smartypants.errors import DocumentTooLarge, DocumentUnreadable
from smartypants.media_types import PDF
from smartypants.parsers import _markdown
from smartypants.parsers._properties import author, iso
from smartypants.types import ParsedDocument

if TYPE_CHECKING:
    import pypdfium2

Line = tuple[str, float]
"""A line's text and font size in points; an empty text parts paragraphs."""

MAX_PAGES = 50_000

_NO_TITLE = re.compile(r"untitled|anonymous|^microsoft (word|powerpoint)|\.\w{2,4}$", re.IGNORECASE)


_BULLET = re.compile(r"^[•‣▪●◦]\s*")


class PdfParser:
    """Text by page. A line that is set larger than the body becomes a heading."""

    media_types = (PDF,)

    def parse(self, data: bytes, *, name: str, media_type: str) -> ParsedDocument:
        import pypdfium2
        import pypdfium2.raw as raw

        try:
            pdf = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as exc:
            if exc.err_code == raw.FPDF_ERR_PASSWORD:
                raise DocumentUnreadable(
                    f"{name} is encrypted.", "Remove its password first."
                ) from exc
            raise DocumentUnreadable(
                f"{name} is a damaged PDF: {exc}", "Save the document again."
            ) from exc
        if len(pdf) > MAX_PAGES:
            raise DocumentTooLarge(
                f"{name} claims to have {len(pdf)} pages, over {MAX_PAGES}.", "Split it."
            )
        try:
            pages = [_lines(pdf, number) for number in range(len(pdf))]
            given = pdf.get_metadata_dict(skip_empty=True)
            title = given.get("Title", "").strip()
        finally:
            pdf.close()
        levels = _heading_levels(pages)
        text, marks = _markdown.join(
            (str(number), _page(lines, levels)) for number, lines in enumerate(pages, start=1)
        )
        if not text:
            raise DocumentUnreadable(
                f"{name} has {len(pages)} pages and no text layer.", "Run it through OCR first."
            )
        return ParsedDocument(
            text,
            title=None if not title or _NO_TITLE.search(title) else title,
            pages=marks,
            metadata={"pages": str(len(pages)), **_written(given)},
        )


def _written(given: Mapping[str, str]) -> dict[str, str]:
    """By whom and when, as far as the document says it."""
    found = {
        "author": author(given.get("Author", "")),
        "created": iso(given.get("CreationDate", "")),
        "modified": iso(given.get("ModDate", "")),
    }
    return {key: value for key, value in found.items() if value}


def _lines(pdf: pypdfium2.PdfDocument, number: int) -> list[Line]:
    import pypdfium2

    try:
        page = pdf[number]
        text_page = page.get_textpage()
    except pypdfium2.PdfiumError:
        return []  # one broken page does not cost the others
    lines: list[Line] = []
    text = text_page.get_text_range()
    for match in re.finditer(r"[^\r\n]+|\r\n|\n|\r", text):
        line = match[0].replace("\ufffe", "-").replace("\x00", "")
        if line.strip():
            middle = match.start() + len(line) - len(line.lstrip()) + min(len(line.strip()) // 2, 3)
            lines.append((_BULLET.sub("- ", line.strip()), _font_size(text_page, middle)))
        elif lines and text[match.end() : match.end() + 1] in "\r\n":
            lines.append(("", 0.0))
    text_page.close()
    page.close()
    return lines


def _font_size(text_page: pypdfium2.PdfTextPage, index: int) -> float:
    """Points, after the text matrix: many producers set size 1 and scale it."""
    import pypdfium2.raw as raw

    size = float(raw.FPDFText_GetFontSize(text_page.raw, index))
    matrix = raw.FS_MATRIX()
    if raw.FPDFText_GetMatrix(text_page.raw, index, matrix):
        size *= (matrix.b**2 + matrix.d**2) ** 0.5 or 1.0
    return round(size, 1)


def _heading_levels(pages: list[list[Line]]) -> dict[float, int]:
    """Font sizes that are headings, with their level: rarer than the body and larger by 15 %."""
    sizes: Counter[float] = Counter()
    for lines in pages:
        for line, size in lines:
            sizes[size] += len(line)
    if not sizes:
        return {}
    body = sizes.most_common(1)[0][0]
    share = 0.2 * sum(sizes.values())
    larger = sorted((s for s, n in sizes.items() if s >= 1.15 * body and n < share), reverse=True)
    return {size: level for level, size in enumerate(larger[:3], start=1)}


def _page(lines: list[Line], levels: dict[float, int]) -> str:
    out: list[str] = []
    for line, size in lines:
        if size in levels and len(line) < 120 and re.search(r"\w{2}", line):
            out += ["", f"{'#' * levels[size]} {line}", ""]
        else:
            out.append(line)
    return "\n".join(out)


PLUGIN = PdfParser
