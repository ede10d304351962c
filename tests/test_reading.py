"""One document: fetched, kept, parsed in its own process, cleaned, cut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartypants.blobstores.arrow import ArrowBlobStore
from smartypants.chunkers.markdown import MarkdownChunker
from smartypants.connectors.filesystem import FilesystemConnector
from smartypants.errors import DocumentTooLarge, DocumentUnreadable
from smartypants.parsing import IsolatedParser
from smartypants.reading import MAX_CONTEXT_CHARS, ReadDocument, clean, cut, read
from smartypants.types import DocumentRef, Mark, ParsedDocument, content_version
from tests.pdfs import make_pdf


@pytest.fixture(scope="module")
def parser() -> Iterator[IsolatedParser]:
    parser = IsolatedParser(timeout_s=60, memory_bytes=2**32, max_text_chars=10**6)
    yield parser
    parser.close()


@pytest.fixture(scope="module")
def chunker(minilm: Path) -> MarkdownChunker:
    return MarkdownChunker(tokenizer_path=str(minilm / "tokenizer.json"), max_tokens=40)


class Reader:
    """Reads files of a folder as the ingest program does."""

    def __init__(self, folder: Path, parser: IsolatedParser, chunker: MarkdownChunker) -> None:
        self.folder = folder / "docs"
        self.folder.mkdir()
        self.blobs = ArrowBlobStore(uri=(folder / "blobs").as_uri())
        self.parts: dict[str, Any] = {"parser": parser, "chunker": chunker}

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
            max_bytes=max_bytes,
            indexed_version=indexed,
            **self.parts,
        )


@pytest.fixture
def reader(tmp_path: Path, parser: IsolatedParser, chunker: MarkdownChunker) -> Reader:
    return Reader(tmp_path, parser, chunker)


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
            max_bytes=19,
            indexed_version=None,
            **reader.parts,
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


def test_title_of_the_source_wins(reader: Reader, chunker: MarkdownChunker) -> None:
    assert (document := reader("plain.txt", b"No heading at all."))
    assert document.title == "plain.txt"
    (reader.folder / "plain.txt").unlink()
    assert (document := reader("b.html", b"<h1>Heading</h1><p>words</p>"))
    assert document.title == "Heading"


def test_context_is_short_and_does_not_repeat(chunker: MarkdownChunker) -> None:
    parsed = ParsedDocument(
        "# Title\n\n" + "words " * 100 + "\n\n## " + "long " * 60 + "\n\n" + "b " * 99
    )
    chunks = cut(parsed, "d", "v", title="Title", chunker=chunker)
    assert chunks[0].context == ""
    assert chunks[1].context == "Title"
    assert all(len(chunk.context) <= MAX_CONTEXT_CHARS for chunk in chunks)


def test_clean_moves_the_marks_along() -> None:
    parsed = ParsedDocument(
        "a\x00\u200b b  \n\nPAGE e\u0301 \n", "T\x00itle\ufeff ", (Mark(9, "2"),), {"k": "v"}
    )
    cleaned = clean(parsed)
    assert cleaned.text == "a b\n\nPAGE \xe9\n"
    assert [(cleaned.text[m.offset :][:4], m.label) for m in cleaned.pages] == [("PAGE", "2")]
    assert (cleaned.title, cleaned.metadata) == ("Title", {"k": "v"})


@given(
    parts=st.lists(st.text(alphabet="ae\u0301 \n\t\x00\u200b\ud800\x0c", max_size=12), max_size=6)
)
def test_clean_text_is_clean(parts: list[str]) -> None:
    offsets = [len("".join(parts[:n])) for n in range(len(parts))]
    marks = tuple(Mark(offset, str(n)) for n, offset in enumerate(offsets))
    cleaned = clean(ParsedDocument("".join(parts), pages=marks))
    cleaned.text.encode()
    assert not set(cleaned.text) & set("\x00\u200b\ud800")
    assert [mark.label for mark in cleaned.pages] == [mark.label for mark in marks]
    found = [mark.offset for mark in cleaned.pages]
    assert found == sorted(found)
    assert all(0 <= offset <= len(cleaned.text) for offset in found)


def test_spaces_without_end_do_not_take_for_ever() -> None:
    text = "a" + " " * 1_000_000 + "b"
    assert clean(ParsedDocument(text)).text == text
