"""Excel workbooks."""

from __future__ import annotations

import io
from typing import Any

from smartypants.errors import DocumentTooLarge, DocumentUnreadable, SmartyPantsError
from smartypants.media_types import XLSX
from smartypants.parsers import _markdown
from smartypants.parsers._archive import open_archive
from smartypants.parsers._properties import properties
from smartypants.types import ParsedDocument

MAX_COLUMNS = 500
MAX_ROWS = 1_048_576
"""Excel's own limit; a file may claim any number of rows."""
MAX_CELLS = 2_000_000


class XlsxParser:
    """One section and table a sheet, with the values that formulas had when it was saved."""

    media_types = (XLSX,)

    def parse(self, data: bytes, *, name: str, media_type: str) -> ParsedDocument:
        import openpyxl

        with open_archive(data, name=name) as archive:
            found = properties(archive)
        try:
            book = openpyxl.load_workbook(
                io.BytesIO(data), read_only=True, data_only=True, keep_links=False
            )
            try:
                text, marks = _markdown.join(
                    (
                        sheet.title,
                        f"## {sheet.title}\n\n{_markdown.table(_rows(sheet, name), name=name)}",
                    )
                    for sheet in book.worksheets
                )
                title = (book.properties.title or "").strip() or None
            finally:
                book.close()
        except (MemoryError, SmartyPantsError):
            raise
        except Exception as exc:
            raise DocumentUnreadable(
                f"{name} is a damaged workbook: {exc}", "Save the document again."
            ) from exc
        return ParsedDocument(text, title=title, pages=marks, metadata=found)


def _rows(sheet: Any, name: str) -> list[list[object]]:
    """The rows that hold anything, without the empty cells at their end."""
    sheet.reset_dimensions()
    rows: list[list[object]] = []
    cells = 0
    for row in sheet.iter_rows(max_col=MAX_COLUMNS, max_row=MAX_ROWS, values_only=True):
        filled = len(row) - row.count(None)
        cells += filled
        if cells > MAX_CELLS:
            raise DocumentTooLarge(f"{name} has over {MAX_CELLS} cells.", "Split the workbook.")
        if filled:
            values = list(row)
            while values[-1] is None:
                values.pop()
            rows.append(values)
    return rows


PLUGIN = XlsxParser
