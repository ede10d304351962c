"""The kind of a document: by its bytes first, by its name second."""

from __future__ import annotations

import io
import zipfile

import pytest

from smartypants.errors import DocumentUnreadable
from smartypants.media_types import (
    CSV,
    DOCX,
    EPUB,
    EXTENSIONS,
    HTML,
    JSON,
    MARKDOWN,
    PDF,
    PPTX,
    TEXT,
    XLSX,
    by_name,
    detect,
)  # fmt: skip


def packed(*members: str, mimetype: str | None = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        if mimetype is not None:
            archive.writestr("mimetype", mimetype)
        for member in members:
            archive.writestr(member, "x" * 200)
    return out.getvalue()


@pytest.mark.parametrize(("extension", "media_type"), EXTENSIONS.items())
def test_by_name(extension: str, media_type: str) -> None:
    assert by_name(f"a/b.c{extension}") == by_name(f"X{extension.upper()}") == media_type


@pytest.mark.parametrize("name", ["", "noext", ".md", "a.exe", "a.md.zip", "a/"])
def test_no_known_name(name: str) -> None:
    assert by_name(name) is None


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (b"# Title", "a.md", MARKDOWN),
        (b"words", "noext", TEXT),
        (b"a,b", "a.csv", CSV),
        (b"%PDF-1.4\n", "wrong.docx", PDF),
        (b"\xef\xbb\xbf\n%PDF-1.4", "a.txt", PDF),
        (b"only words", "wrong.pdf", TEXT),
        (b"<p>words", "a.html", HTML),
        (packed("word/document.xml"), "wrong.txt", DOCX),
        (packed("ppt/presentation.xml"), "x", PPTX),
        (packed("xl/workbook.xml"), "a.docx", XLSX),
        (packed("OEBPS/x", mimetype="application/epub+zip\n"), "x.zip", EPUB),
        ("wörter".encode("utf-16"), "a.txt", TEXT),
        ("wörter".encode("utf-16-be"), "a.txt", None),
    ],
)
def test_bytes_beat_the_name(data: bytes, name: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(DocumentUnreadable):
            detect(data, name=name)
    else:
        assert detect(data, name=name) == expected


def test_declared_beats_the_name() -> None:
    assert detect(b"{}", name="a.txt", declared=JSON) == JSON
    assert detect(b"{}", name="a.md", declared="application/x-unknown") == MARKDOWN
    assert detect(b"words", name="a.md", declared=PDF) == TEXT


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b" \r\n\t", "is empty"),
        (b"\x7fELF\x00\x01", "binary data"),
        (b"words\x00", "binary data"),
        (b"PK\x03\x04 and then nothing", "damaged archive"),
        (packed("word/document.xml")[:-30], "damaged archive"),
        (packed("setup.py"), "no Office document"),
        (packed("x", mimetype="text/plain"), "no Office document"),
    ],
)
def test_no_document(data: bytes, message: str) -> None:
    with pytest.raises(DocumentUnreadable, match=f"report.txt.*{message}"):
        detect(data, name="report.txt")


def test_damaged_stream_inside_an_archive() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip" * 50)
    data = bytearray(out.getvalue())
    data[40:48] = b"\xff" * 8
    with pytest.raises(DocumentUnreadable, match="damaged archive"):
        detect(bytes(data), name="book.epub")
