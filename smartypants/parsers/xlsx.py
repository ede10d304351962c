"""Excel workbooks."""

from __future__ import annotations

import io
from typing import Any

from smartypants.errors import DocumentTooLarge, DocumentUnreadable, SmartyPantsError
from smartypants.media_types import XLSX
from smartypants.parsers import _markdown
from smartypants.parsers._archive import open_archive
from smartypants.types import ParsedDocument

MAX_COLUMNS = 500
MAX_CELLS = 2_000_000


class XlsxParser:
    """One section and table a sheet, with the values that formulas had when it was saved."""

    media_types = (XLSX,)

    def parse(self, data: bytes, *, name: str, media_type: str) -> ParsedDocument:
        import openpyxl

        open_archive(data, name=name).close()
        try:
            book = openpyxl.load_workbook(
                io.BytesIO(data), read_only=True, data_only=True, keep_links=False
            )
            try:
                text, marks = _markdown.join(
                    (sheet.title, f"## {sheet.title}\n\n{_markdown.table(_rows(sheet, name))}")
                    for sheet in book.worksheets
                )
                title = (book.properties.title or "").strip() or None
            finally:
                book.close()
        except SmartyPantsError:
            raise
        except Exception as exc:
            raise DocumentUnreadable(
                f"{name} is a damaged workbook: {exc}", "Save the document again."
            ) from exc
        return ParsedDocument(text, title=title, pages=marks)


def _rows(sheet: Any, name: str) -> list[list[object]]:
    """The rows that hold anything, without the empty columns at their end."""
    sheet.reset_dimensions()
    rows: list[list[object]] = []
    cells = 0
    for row in sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True):
        cells += len(row)
        if cells > MAX_CELLS:
            raise DocumentTooLarge(f"{name} has over {MAX_CELLS} cells.", "Split the workbook.")
        if any(value is not None for value in row):
            rows.append(list(row))
    width = max((_width(row) for row in rows), default=0)
    return [row[:width] for row in rows]


def _width(row: list[object]) -> int:
    return max(index for index, value in enumerate(row, start=1) if value is not None)


PLUGIN = XlsxParser
