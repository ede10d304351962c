"""EPUB books."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from urllib.parse import unquote
from xml.etree import ElementTree

from smartypants.errors import DocumentUnreadable
from smartypants.media_types import DAMAGED, EPUB
from smartypants.parsers import _markdown
from smartypants.parsers._archive import open_archive, read_xml
from smartypants.types import ParsedDocument


class EpubParser:
    """The chapters in the order of the book's spine (EPUB 3.3, section 5.7)."""

    media_types = (EPUB,)

    def parse(self, data: bytes, *, name: str, media_type: str) -> ParsedDocument:
        with open_archive(data, name=name) as archive:
            try:
                package_path = _package_path(archive)
                package = read_xml(archive, package_path)
                folder = posixpath.dirname(package_path)
                text, marks = _markdown.join(_chapters(archive, package, folder))
            except (KeyError, StopIteration, ElementTree.ParseError, *DAMAGED) as exc:
                raise DocumentUnreadable(
                    f"{name} is a damaged EPUB: {exc}", "Export the book again."
                ) from exc
        title = next((e.text for e in package.iter() if _tag(e) == "title" and e.text), None)
        return ParsedDocument(text, title=title, pages=marks)


def _package_path(archive: zipfile.ZipFile) -> str:
    container = read_xml(archive, "META-INF/container.xml")
    return next(e for e in container.iter() if _tag(e) == "rootfile").attrib["full-path"]


def _chapters(
    archive: zipfile.ZipFile, package: ElementTree.Element, folder: str
) -> Iterator[tuple[str, str]]:
    items = {e.get("id"): e for e in package.iter() if _tag(e) == "item"}
    number = 0
    seen: set[str] = set()
    for reference in package.iter():
        item = items.get(reference.get("idref")) if _tag(reference) == "itemref" else None
        if item is None or "nav" in (item.get("properties") or "").split():
            continue
        path = posixpath.normpath(posixpath.join(folder, unquote(item.get("href") or "")))
        if path in seen:
            continue  # a book has each chapter once; a bomb has one a million times
        seen.add(path)
        try:
            source = archive.read(path).decode("utf-8", "replace")
        except KeyError:
            continue  # listed but missing: the other chapters are still there
        number += 1
        yield f"chapter {number}", _markdown.from_html(source, name=path)


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rsplit("}", 1)[-1]


PLUGIN = EpubParser
