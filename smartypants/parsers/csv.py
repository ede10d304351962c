"""Comma- and tab-separated tables."""

from __future__ import annotations

import csv
import io
from collections import Counter

from smartypants.errors import DocumentUnreadable
from smartypants.media_types import CSV, TSV
from smartypants.parsers import _markdown
from smartypants.parsers.text import decode
from smartypants.types import ParsedDocument

FIELD_LIMIT = 10 * 2**20

_SAMPLE = 8_192


class CsvParser:
    """One Markdown table; the delimiter is found from the first lines."""

    media_types = (CSV, TSV)

    def parse(self, data: bytes, *, name: str, media_type: str) -> ParsedDocument:
        text = decode(data)
        csv.field_size_limit(FIELD_LIMIT)
        delimiter = _delimiter(text[:_SAMPLE]) or ("\t" if media_type == TSV else ",")
        try:
            rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
        except csv.Error as exc:
            raise DocumentUnreadable(f"{name} is not a table: {exc}.", "Check its quotes.") from exc
        return ParsedDocument(_markdown.table(rows, name=name))


def _delimiter(sample: str) -> str | None:
    """The candidate that cuts most lines into the same number of columns, two at least.

    `csv.Sniffer` would try regular expressions that take minutes on some documents.
    """
    best, most = None, (0, 0)
    for candidate in ",;\t|":
        try:
            lines = sample.splitlines(keepends=True)
            widths = Counter(len(row) for row in csv.reader(lines, delimiter=candidate) if row)
        except csv.Error:
            continue
        widths.pop(1, None)
        if widths:
            width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
            if (count, width) > most:
                best, most = candidate, (count, width)
    return best


PLUGIN = CsvParser
