"""What is kept of a document's text, and cutting it anew from that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from smartypants import texts
from smartypants.blobstores.arrow import ArrowBlobStore
from smartypants.connectors.filesystem import FilesystemConnector
from smartypants.errors import DocumentUnreadable, NotFound
from smartypants.extracting import IsolatedExtractor
from smartypants.reading import ReadDocument, read, reread
from smartypants.types import DocumentRef, Mark, ParsedDocument
from tests import extractors
from tests.pdfs import make_pdf

PARSED = ParsedDocument("# A\n\nText é.", "A", (Mark(0, "1"), Mark(5, "slide 2")), {"k": "v"})


@pytest.fixture
def blobs(tmp_path: Path) -> ArrowBlobStore:
    return ArrowBlobStore(uri=(tmp_path / "blobs").as_uri())


@pytest.fixture(scope="module")
def coarse(minilm: Path) -> Iterator[IsolatedExtractor]:
    extractor = extractors.make(extractors.markdown(minilm, max_tokens=60))
    yield extractor
    extractor.close()


@pytest.fixture(scope="module")
def fine(minilm: Path) -> Iterator[IsolatedExtractor]:
    extractor = extractors.make(extractors.markdown(minilm, max_tokens=16))
    yield extractor
    extractor.close()


def test_kept_whole(blobs: ArrowBlobStore) -> None:
    texts.keep(blobs, "d", "v", PARSED)
    assert texts.load(blobs, "d", "v") == PARSED
    assert texts.load_text(blobs, "d", "v") == PARSED.text
    blobs.delete("text/d")
    for load in (texts.load, texts.load_text):
        with pytest.raises(NotFound):
            load(blobs, "d", "v")


@pytest.mark.parametrize("damage", [b"", b"{", b'{"title": 1}', b'{"pages": [["x", 1]]}'])
def test_damaged(blobs: ArrowBlobStore, damage: bytes) -> None:
    texts.keep(blobs, "d", "v", PARSED)
    blobs.put("text/d/v.json", damage)
    with pytest.raises(NotFound):
        texts.load(blobs, "d", "v")


class Once:
    """A PDF of two pages that was read, and whose source is gone."""

    def __init__(self, folder: Path, blobs: ArrowBlobStore, extractor: IsolatedExtractor):
        pages = [
            [(12, "The lighthouse is white."), (12, "It has a red door.")],
            [(12, "The ferry leaves at nine."), (12, "It is never late.")],
        ]
        path = folder / "island.pdf"
        path.write_bytes(make_pdf(pages))
        connector = FilesystemConnector(collection="docs", path=str(path))
        (self.ref,) = connector.discover()
        self.blobs = blobs
        self.first = self.read(connector, extractor)
        path.unlink()

    def read(self, connector: FilesystemConnector, extractor: IsolatedExtractor) -> ReadDocument:
        found = read(
            self.ref,
            connector=connector,
            blobs=self.blobs,
            extractor=extractor,
            max_bytes=10**6,
            indexed_version=None,
        )
        assert found is not None
        return found

    def reread(self, by: IsolatedExtractor, ref: DocumentRef | None = None) -> ReadDocument:
        version = self.first.version
        return reread(ref or self.ref, version, blobs=self.blobs, extractor=by)


@pytest.fixture
def once(tmp_path: Path, blobs: ArrowBlobStore, coarse: IsolatedExtractor) -> Once:
    return Once(tmp_path, blobs, coarse)


def test_cut_anew_without_the_source(
    once: Once, coarse: IsolatedExtractor, fine: IsolatedExtractor
) -> None:
    assert once.reread(coarse) == replace(once.first, contents=None)  # they are as before
    finer = once.reread(fine)
    assert len(finer.chunks) > len(once.first.chunks)
    assert [finer.chunks[0].page, finer.chunks[-1].page] == ["1", "2"]
    assert (finer.version, finer.title) == (once.first.version, once.first.title)


def test_one_of_before_is_parsed_again(
    once: Once, coarse: IsolatedExtractor, blobs: ArrowBlobStore
) -> None:
    key = texts.text_key(once.ref.document_id, once.first.version)
    blobs.delete(f"{key}.json")
    assert once.reread(coarse) == replace(once.first, contents=None)  # they are as before
    assert texts.load(blobs, once.ref.document_id, once.first.version).pages


def test_without_raw_bytes_pages_are_unknown(
    once: Once, coarse: IsolatedExtractor, blobs: ArrowBlobStore
) -> None:
    key = texts.text_key(once.ref.document_id, once.first.version)
    blobs.delete(f"{key}.json")
    blobs.delete(f"raw/{once.ref.document_id}")
    found = once.reread(coarse)
    assert [chunk.text for chunk in found.chunks] == [chunk.text for chunk in once.first.chunks]
    assert {chunk.page for chunk in found.chunks} == {None}
    blobs.delete(key)
    with pytest.raises(DocumentUnreadable, match="Nothing is kept"):
        once.reread(coarse)
