"""Comma- and tab-separated tables."""

from __future__ import annotations

import csv
import io

from smartypants.errors import DocumentUnreadable
from smartypants.media_types import CSV, TSV
from smartypants.parsers import _markdown
from smartypants.parsers.text import decode
from smartypants.types import ParsedDocument

FIELD_LIMIT = 10 * 2**20


class CsvParser:
    """One Markdown table; the delimiter is found from the first lines."""

    media_types = (CSV, TSV)

    def parse(self, data: bytes, *, name: str, media_type: str) -> ParsedDocument:
        text = decode(data)
        csv.field_size_limit(FIELD_LIMIT)
        try:
            dialect: type[csv.Dialect] | str = csv.Sniffer().sniff(text[:8192], delimiters=",;\t|")
        except csv.Error:
            dialect = "excel-tab" if media_type == TSV else "excel"
        try:
            rows = [row for row in csv.reader(io.StringIO(text), dialect) if any(row)]
        except csv.Error as exc:
            raise DocumentUnreadable(f"{name} is not a table: {exc}.", "Check its quotes.") from exc
        return ParsedDocument(_markdown.table(rows))


PLUGIN = CsvParser
