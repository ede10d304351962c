"""One document: fetched, kept, parsed in its own process, cleaned, cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest

from smartypants.blobstores.arrow import ArrowBlobStore
from smartypants.connectors.filesystem import FilesystemConnector
from smartypants.errors import DocumentTooLarge, DocumentUnreadable, NotFound
from smartypants.extracting import IsolatedExtractor
from smartypants.media_types import PDF, TEXT
from smartypants.options.ingestion import AttachmentSettings
from smartypants.reading import ReadDocument, read, reread
from smartypants.types import DocumentRef, content_version
from tests import extractors
from tests.messages import message, nested
from tests.pdfs import make_pdf

LIMITS = AttachmentSettings()


@pytest.fixture(scope="module")
def extractor(minilm: Path) -> Iterator[IsolatedExtractor]:
    extractor = extractors.make(extractors.markdown(minilm, max_tokens=40))
    yield extractor
    extractor.close()


class Reader:
    """Reads files of a folder as the ingest program does."""

    def __init__(self, folder: Path, extractor: IsolatedExtractor) -> None:
        self.folder = folder / "docs"
        self.folder.mkdir()
        self.blobs = ArrowBlobStore(uri=(folder / "blobs").as_uri())
        self.extractor = extractor
        self._connector = FilesystemConnector(collection="docs", path=str(self.folder))

    def __call__(
        self,
        name: str,
        data: bytes,
        *,
        indexed: str | None = None,
        max_bytes: int = 10**6,
        limits: AttachmentSettings = LIMITS,
    ) -> ReadDocument | None:
        (self.folder / name).write_bytes(data)
        (ref,) = self._connector.discover()
        return self.again(ref, indexed=indexed, max_bytes=max_bytes, limits=limits)

    def again(
        self,
        ref: DocumentRef,
        *,
        indexed: str | None = None,
        max_bytes: int = 10**6,
        limits: AttachmentSettings = LIMITS,
    ) -> ReadDocument | None:
        return read(
            ref,
            connector=self._connector,
            blobs=self.blobs,
            extractor=self.extractor,
            max_bytes=max_bytes,
            indexed_version=indexed,
            limits=limits,
        )

    def kept(self, ref: DocumentRef, version: str) -> ReadDocument:
        return reread(ref, version, blobs=self.blobs, extractor=self.extractor)


@pytest.fixture
def reader(tmp_path: Path, extractor: IsolatedExtractor) -> Reader:
    return Reader(tmp_path, extractor)


MARKDOWN = (
    """# Handbook

Welcome to the handbook.

## Leave

"""
    + "A sentence about leave and holidays. " * 12
    + """

### Carry over

"""
    + "Days may be carried over to the next year. " * 8
)


def test_chunks_know_where_they_stand(reader: Reader) -> None:
    document = reader("a.md", MARKDOWN.encode())
    assert document is not None
    text = reader.blobs.get(f"text/{document.ref.document_id}/{document.version}").decode()
    assert document.title == "Handbook"
    assert [chunk.index for chunk in document.chunks] == list(range(len(document.chunks)))
    for chunk in document.chunks:
        assert chunk.text == text[chunk.start : chunk.end]
        assert chunk.version == document.version
        assert chunk.document_id == document.ref.document_id
    last = document.chunks[-1]
    assert last.headings == ("Handbook", "Leave", "Carry over")
    assert last.context == "Handbook > Leave > Carry over"
    assert document.chunks[0].context == ""


def test_raw_bytes_are_kept(reader: Reader) -> None:
    document = reader("a.md", b"\xef\xbb\xbfwords")
    assert document is not None
    assert document.version == content_version(b"\xef\xbb\xbfwords")
    key = f"{document.ref.document_id}/{document.version}"
    assert reader.blobs.get(f"raw/{key}") == b"\xef\xbb\xbfwords"
    assert reader.blobs.get(f"text/{key}") == b"words"


def test_unchanged_content_is_not_read_again(reader: Reader) -> None:
    assert reader("a.md", b"words", indexed=content_version(b"words")) is None
    assert reader("a.md", b"words", indexed="other") is not None


def test_too_large(reader: Reader) -> None:
    with pytest.raises(DocumentTooLarge, match="20 bytes, over the limit of 19"):
        reader("a.md", b"x" * 20, max_bytes=19)
    assert reader("a.md", b"x" * 20, max_bytes=20) is not None


def test_grown_since_it_was_listed(reader: Reader) -> None:
    (reader.folder / "a.md").write_bytes(b"x" * 20)
    connector = FilesystemConnector(collection="docs", path=str(reader.folder))
    listed = DocumentRef(connector.source_id, (reader.folder / "a.md").as_uri(), "a.md", "e", 1)
    with pytest.raises(DocumentTooLarge, match="20 bytes"):
        read(
            listed,
            connector=connector,
            blobs=reader.blobs,
            extractor=reader.extractor,
            max_bytes=19,
            indexed_version=None,
        )


def test_nothing_but_control_characters(reader: Reader) -> None:
    with pytest.raises(DocumentUnreadable, match="no text"):
        reader("a.txt", b"\x01\x02\x03")


def test_pages_and_titles(reader: Reader) -> None:
    lines = [(12.0, f"Line {n} of the page says something plain.") for n in range(9)]
    document = reader("a.pdf", make_pdf([lines, lines], title="The report"))
    assert document is not None
    assert document.title == "The report"
    assert document.parsed == {"pages": "2"}
    assert document.chunks[0].page == "1"
    assert document.chunks[-1].page == "2"
    assert document.chunks[-1].context == "The report"


def test_title_of_the_document_or_its_name(reader: Reader) -> None:
    assert (document := reader("plain.txt", b"No heading at all."))
    assert document.title == "plain.txt"
    (reader.folder / "plain.txt").unlink()
    assert (document := reader("b.html", b"<h1>Heading</h1><p>words</p>"))
    assert document.title == "Heading"


class Titled(FilesystemConnector):
    """A source that knows its documents' titles."""

    title = "From\x00 the\nsource"

    def discover(self) -> Iterator[DocumentRef]:
        return (replace(ref, metadata={"title": self.title}) for ref in super().discover())


def test_title_of_the_source_wins(reader: Reader) -> None:
    (reader.folder / "a.md").write_text("# Heading")
    connector = Titled(collection="docs", path=str(reader.folder))
    (ref,) = connector.discover()
    found = read(
        ref,
        connector=connector,
        blobs=reader.blobs,
        extractor=reader.extractor,
        max_bytes=100,
        indexed_version=None,
    )
    assert found is not None
    assert found.title == "From the source"


def test_reading_again_changes_nothing(reader: Reader) -> None:
    first, second = (reader("a.md", MARKDOWN.encode()) for _ in range(2))
    assert first is not None
    assert second is not None
    assert (first.version, first.chunks) == (second.version, second.chunks)


def test_raw_bytes_of_a_bad_document_are_kept(reader: Reader) -> None:
    with pytest.raises(DocumentUnreadable):
        reader("a.json", b"{")
    connector = FilesystemConnector(collection="docs", path=str(reader.folder))
    (ref,) = connector.discover()
    key = f"{ref.document_id}/{content_version(b'{')}"
    assert reader.blobs.get(f"raw/{key}") == b"{"
    with pytest.raises(NotFound):
        reader.blobs.get(f"text/{key}")


# --- attachments ---------------------------------------------------------------------------


def unpacked(reader: Reader, mail: EmailMessage, **limits: int) -> tuple[DocumentRef, ...]:
    document = reader("mail.eml", mail.as_bytes(), limits=AttachmentSettings(**limits))
    assert document is not None
    assert document.contents is not None
    return document.contents


def test_what_comes_inside_a_message_is_read_by_itself(reader: Reader) -> None:
    pdf = make_pdf([[(12.0, "The ferry leaves at nine.")]])
    (ref,) = unpacked(reader, message(("plan.pdf", PDF, pdf)))
    found = reader.again(ref)
    assert found is not None
    assert "ferry leaves" in found.chunks[0].text
    assert (found.version, found.contents) == (content_version(pdf), ())
    assert reader.again(ref, indexed=found.version) == found, "it is due only when it changed"
    assert reader.kept(ref, found.version).contents is None


def test_messages_within_each_other(reader: Reader) -> None:
    levels = unpacked(reader, nested(3))
    for left in (2, 1):
        (inner,) = levels
        found = reader.again(inner)
        assert found is not None
        assert found.title == f"Level {left}"
        levels = found.contents or ()
    (too_deep,) = levels
    with pytest.raises(DocumentTooLarge, match=r"in 3 messages within each other, over 2"):
        reader.again(too_deep, limits=AttachmentSettings(max_depth=2))


def test_limits_of_attachments(reader: Reader) -> None:
    files = [(f"{n}.txt", TEXT, b"words" * (n + 1)) for n in range(3)]
    small, _, large = unpacked(reader, message(*files))
    assert reader.again(small, limits=AttachmentSettings(max_bytes=10)) is not None
    with pytest.raises(DocumentTooLarge, match=r"2\.txt has 15 bytes, over the limit of 10"):
        reader.again(large, limits=AttachmentSettings(max_bytes=10))
    assert unpacked(reader, message(*files), max_depth=0) == ()
    many = message(*((f"{n}.txt", TEXT, b"x") for n in range(101)))
    with pytest.raises(DocumentTooLarge, match="101 attachments, over 100"):
        reader("mail.eml", many.as_bytes())


def test_an_attachment_whose_bytes_are_gone(reader: Reader) -> None:
    (ref,) = unpacked(reader, message(("a.txt", TEXT, b"words")))
    reader.blobs.delete(f"raw/{ref.document_id}")
    with pytest.raises(DocumentUnreadable, match=r"bytes of mail\.eml/a\.txt are gone.*Delete"):
        reader.again(ref)
