"""What kind of document some bytes are: by their content first, by their name second."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import PurePath

from smartypants.errors import DocumentUnreadable

MARKDOWN = "text/markdown"
TEXT = "text/plain"
HTML = "text/html"
CSV = "text/csv"
TSV = "text/tab-separated-values"
JSON = "application/json"
JSON_LINES = "application/jsonl"
EMAIL = "message/rfc822"
PDF = "application/pdf"
EPUB = "application/epub+zip"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

EXTENSIONS: dict[str, str] = {
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".txt": TEXT,
    ".text": TEXT,
    ".log": TEXT,
    ".rst": TEXT,
    ".org": TEXT,
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
    ".csv": CSV,
    ".tsv": TSV,
    ".json": JSON,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".eml": EMAIL,
    ".pdf": PDF,
    ".epub": EPUB,
    ".docx": DOCX,
    ".pptx": PPTX,
    ".xlsx": XLSX,
}

DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    NotImplementedError,
)
"""What `zipfile` raises for an archive that is broken, cut off or encrypted."""

_BINARY = {PDF, EPUB, DOCX, PPTX, XLSX}
_ZIP_MEMBERS = {"word/document.xml": DOCX, "ppt/presentation.xml": PPTX, "xl/workbook.xml": XLSX}


def by_name(name: str) -> str | None:
    """The media type that a file's extension stands for; None if it is none of ours."""
    return EXTENSIONS.get(PurePath(name).suffix.lower())


def claimed(name: str, declared: str | None) -> str | None:
    """The media type by what was declared, else by the name; None if neither is one of ours."""
    return declared if declared in set(EXTENSIONS.values()) else by_name(name)


def detect(data: bytes, *, name: str, declared: str | None = None) -> str:
    """The media type of a document; what its bytes say beats its name and what was declared.

    Raises `DocumentUnreadable` for an empty document, and for binary data of no known format.
    """
    if not data.strip():
        raise DocumentUnreadable(f"{name} is empty.", "There is nothing to index.")
    if b"%PDF-" in data[:1024]:
        return PDF
    if data.startswith(b"PK\x03\x04"):
        return _detect_zip(data, name)
    named = claimed(name, declared)
    if _looks_binary(data):
        raise DocumentUnreadable(
            f"{name} holds binary data of an unknown format.",
            f"Formats: {', '.join(sorted(EXTENSIONS))}.",
        )
    # A text that is named like a binary format is still a text.
    return TEXT if named is None or named in _BINARY else named


def _detect_zip(data: bytes, name: str) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = set(archive.namelist())
            if "mimetype" in members and _starts_with(archive, "mimetype", EPUB.encode()):
                return EPUB
    except DAMAGED as exc:
        raise DocumentUnreadable(
            f"{name} is a damaged archive: {exc}.", "Save the document again."
        ) from exc
    for member, media_type in _ZIP_MEMBERS.items():
        if member in members:
            return media_type
    raise DocumentUnreadable(
        f"{name} is an archive, but no Office document or EPUB.", "Unpack it and ingest the files."
    )


def _starts_with(archive: zipfile.ZipFile, member: str, text: bytes) -> bool:
    with archive.open(member) as stream:  # no more of it than needed: it may be a bomb
        return stream.read(len(text) + 64).strip() == text


def _looks_binary(data: bytes) -> bool:
    head = data[:4096]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16 with a byte order mark
        return False
    return b"\x00" in head
