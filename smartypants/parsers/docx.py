"""Word documents."""

from __future__ import annotations

import io
import re
import zipfile
from xml.etree import ElementTree

from smartypants.errors import DocumentUnreadable
from smartypants.media_types import DAMAGED, DOCX
from smartypants.parsers import _markdown
from smartypants.parsers._archive import open_archive, read_xml
from smartypants.parsers._properties import properties
from smartypants.types import ParsedDocument

_STYLES = "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => h2:fresh"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
# No part of these can run past the next tag: a tag that nobody closes costs its own length.
_MATH = re.compile(rb"<m:oMath(?: [^<>]*)?>.*?</m:oMath>", re.DOTALL)
_MATH_END = b"</m:oMath>"
_MATH_PARAGRAPH = re.compile(rb"</?m:oMathPara(?:Pr)?(?: [^<>]*)?>")
_MATH_TEXT = re.compile(rb"<m:t(?: [^<>]*)?>([^<]*)</m:t>")


class DocxParser:
    """Headings, lists, tables and footnotes as Markdown, by way of HTML."""

    media_types = (DOCX,)

    def parse(self, data: bytes, *, name: str, media_type: str) -> ParsedDocument:
        import mammoth

        with open_archive(data, name=name) as archive:
            title = _title(archive)
            found = properties(archive)
            source = _with_math_as_text(archive, data)
        try:
            html = mammoth.convert_to_html(
                io.BytesIO(source),
                external_file_access=False,
                convert_image=lambda image: [],
                style_map=_STYLES,
            ).value
        except MemoryError:
            raise
        except Exception as exc:
            raise DocumentUnreadable(
                f"{name} is a damaged Word document: {exc}", "Save the document again."
            ) from exc
        return ParsedDocument(_markdown.from_html(html, name=name), title=title, metadata=found)


def _title(archive: zipfile.ZipFile) -> str | None:
    try:
        root = read_xml(archive, "docProps/core.xml")
    except (KeyError, ElementTree.ParseError, *DAMAGED):
        return None
    return (root.findtext(_TITLE) or "").strip() or None


def _with_math_as_text(archive: zipfile.ZipFile, data: bytes) -> bytes:
    """The document with its formulas as plain runs: mammoth drops them without a word."""
    try:
        body = archive.read("word/document.xml")
        if b"<m:oMath" not in body:
            return data
        end = body.rfind(_MATH_END) + len(_MATH_END)  # beyond it every formula is open
        body = _MATH_PARAGRAPH.sub(b"", _MATH.sub(_run, body[:end]) + body[end:])
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as copy:
            for member in archive.infolist():
                copy.writestr(
                    member, body if member.filename == "word/document.xml" else archive.read(member)
                )
        return out.getvalue()
    except (KeyError, *DAMAGED):
        return data


def _run(formula: re.Match[bytes]) -> bytes:
    text = b"".join(_MATH_TEXT.findall(formula[0]))
    return b'<w:r><w:t xml:space="preserve">' + text + b"</w:t></w:r>"


PLUGIN = DocxParser
