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
            # Only the delimiter: the sniffer's idea of quotes comes from the first lines alone.
            delimiter = csv.Sniffer().sniff(text[:8192], delimiters=",;\t|").delimiter
        except csv.Error:
            delimiter = "\t" if media_type == TSV else ","
        try:
            rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
        except csv.Error as exc:
            raise DocumentUnreadable(f"{name} is not a table: {exc}.", "Check its quotes.") from exc
        return ParsedDocument(_markdown.table(rows))


PLUGIN = CsvParser
