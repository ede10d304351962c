"""One document: fetched, kept, parsed in its own process, cleaned, cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from smartypants.blobstores.arrow import ArrowBlobStore
from smartypants.connectors.filesystem import FilesystemConnector
from smartypants.errors import DocumentTooLarge, DocumentUnreadable, NotFound
from smartypants.extracting import IsolatedExtractor
from smartypants.reading import ReadDocument, read
from smartypants.types import DocumentRef, content_version
from tests import extractors
from tests.pdfs import make_pdf


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

    def __call__(
        self, name: str, data: bytes, *, indexed: str | None = None, max_bytes: int = 10**6
    ) -> ReadDocument | None:
        (self.folder / name).write_bytes(data)
        connector = FilesystemConnector(collection="docs", path=str(self.folder))
        (ref,) = connector.discover()
        return read(
            ref,
            connector=connector,
            blobs=self.blobs,
            extractor=self.extractor,
            max_bytes=max_bytes,
            indexed_version=indexed,
        )


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
