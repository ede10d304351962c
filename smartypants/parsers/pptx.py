"""PowerPoint presentations."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from smartypants.errors import DocumentUnreadable, SmartyPantsError
from smartypants.media_types import PPTX
from smartypants.parsers import _markdown
from smartypants.parsers._archive import open_archive
from smartypants.parsers._properties import properties
from smartypants.types import ParsedDocument

MAX_POINTS = 2_000


class PptxParser:
    """One section a slide: its title, texts, tables, chart data and notes."""

    media_types = (PPTX,)

    def parse(self, data: bytes, *, name: str, media_type: str) -> ParsedDocument:
        import pptx

        with open_archive(data, name=name) as archive:
            found = properties(archive)
        try:
            presentation = pptx.Presentation(io.BytesIO(data))
            text, marks = _markdown.join(
                (f"slide {number}", "\n\n".join(_slide(slide, number, name)))
                for number, slide in enumerate(presentation.slides, start=1)
            )
            title = (presentation.core_properties.title or "").strip()
        except (MemoryError, SmartyPantsError):
            raise
        except Exception as exc:
            raise DocumentUnreadable(
                f"{name} is a damaged presentation: {exc}", "Save the document again."
            ) from exc
        generic = title.lower() in ("", "powerpoint presentation")
        return ParsedDocument(text, title=None if generic else title, pages=marks, metadata=found)


def _slide(slide: Any, number: int, name: str) -> Iterator[str]:
    title = slide.shapes.title
    heading = " ".join(title.text.split()) if title is not None else ""
    yield f"## {heading or f'Slide {number}'}"
    for shape in _shapes(slide.shapes):
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if getattr(shape, "has_table", False) and shape.has_table:
            yield _markdown.table(
                [[cell.text for cell in row.cells] for row in shape.table.rows], name=name
            )
        elif getattr(shape, "has_chart", False) and shape.has_chart:
            yield _chart(shape.chart, name)
        elif shape.has_text_frame:
            yield _paragraphs(shape.text_frame)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = slide.notes_slide.notes_text_frame.text.strip()
        if notes:
            yield f"Notes: {notes}"


def _shapes(shapes: Iterable[Any]) -> Iterator[Any]:
    """In reading order, groups opened."""
    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        if hasattr(shape, "shapes"):  # a group; `shape_type` raises for some shapes
            yield from _shapes(shape.shapes)
        else:
            yield shape


def _paragraphs(frame: Any) -> str:
    paragraphs = [item for item in frame.paragraphs if item.text.strip()]
    if len(paragraphs) < 2:
        return " ".join(" ".join(item.text.split()) for item in paragraphs)
    return "\n".join(f"{'  ' * item.level}- {' '.join(item.text.split())}" for item in paragraphs)


def _chart(chart: Any, name: str) -> str:
    """Nothing for a chart with very many points: they are measurements, not text."""
    # The library goes by the number that the file claims, and looks for each point.
    points = max((int(count) for count in chart._chartSpace.xpath("//c:ptCount/@val")), default=0)
    if points > MAX_POINTS or not len(chart.plots):
        return ""
    plot = chart.plots[0]
    head = ["", *[str(category) for category in plot.categories]]
    return _markdown.table(
        [head, *[[series.name, *series.values] for series in plot.series]], name=name
    )


PLUGIN = PptxParser
