"""Hundreds of documents that mean harm: each ends as chunks or as a document's error."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.hostile import altered, corpus
from benchmarks.hostile.attempts import CRASH, PARSED, attempt
from smartypants.blobstores.arrow import ArrowBlobStore
from smartypants.confinement import resident_bytes
from smartypants.errors import DocumentTimeout, DocumentTooLarge, DocumentUnreadable
from smartypants.extracting import IsolatedExtractor
from tests import extractors

SEED = 20261124
SCALE = 0.03
ALTERED = 360
MAX_GROWTH = 256 * 2**20


@pytest.fixture(scope="module")
def extractor(minilm: Path) -> Iterator[IsolatedExtractor]:
    extractor = extractors.make(
        extractors.markdown(minilm), timeout_s=5, memory_bytes=2**30, max_chunks=5_000
    )
    yield extractor
    extractor.close()


@pytest.fixture
def blobs(tmp_path: Path) -> ArrowBlobStore:
    return ArrowBlobStore(uri=tmp_path.as_uri())


@pytest.mark.parametrize("kind", corpus.KINDS)
def test_bombs(extractor: IsolatedExtractor, blobs: ArrowBlobStore, kind: str) -> None:
    extractor.extract(b"words", name="a.txt")
    before = resident_bytes(os.getpid())
    for item in corpus.crafted(SCALE):
        if item.kind == kind:
            found = attempt(item, extractor=extractor, blobs=blobs)
            assert found.outcome != CRASH, found
    assert extractor.extract(b"words", name="a.txt").text == "words"
    assert resident_bytes(os.getpid()) - before < MAX_GROWTH


def test_altered_files(extractor: IsolatedExtractor, blobs: ArrowBlobStore) -> None:
    before = resident_bytes(os.getpid())
    outcomes: Counter[str] = Counter()
    for item in corpus.spoiled(seed=SEED, count=ALTERED):
        found = attempt(item, extractor=extractor, blobs=blobs)
        assert found.outcome != CRASH, found
        outcomes[found.outcome] += 1
    assert outcomes[PARSED] > ALTERED // 10
    assert outcomes[DocumentUnreadable.code] > ALTERED // 10
    assert resident_bytes(os.getpid()) - before < MAX_GROWTH


def test_same_seed_same_documents() -> None:
    first, second = (
        [(item.kind, item.name, item.make()) for item in corpus.spoiled(seed=7, count=60)]
        for _ in range(2)
    )
    assert first == second
    assert first != [(i.kind, i.name, i.make()) for i in corpus.spoiled(seed=8, count=60)]
    assert {kind for kind, _, _ in first} == set(altered.WAYS)


def bomb(name: str, scale: float = 1.0) -> bytes:
    return next(item for item in corpus.crafted(scale) if item.name == name).make()


def test_pdf_that_draws_without_end(minilm: Path) -> None:
    extractor = extractors.make(extractors.markdown(minilm), timeout_s=1, memory_bytes=2**33)
    with pytest.raises(DocumentTimeout):
        extractor.extract(bomb("forms.pdf"), name="forms.pdf")
    extractor.close()


def test_more_memory_than_allowed(minilm: Path) -> None:
    extractor = extractors.make(extractors.markdown(minilm), memory_bytes=2**29)
    with pytest.raises(DocumentUnreadable, match="process died"):
        extractor.extract(bomb("forms.pdf"), name="forms.pdf")
    extractor.close()


@pytest.mark.parametrize(
    "name",
    ["bomb.docx", "bomb.xlsx", "mimetype.epub", "lying-large.docx", "overlapping.docx",
     "wide-then-long.csv", "long-key.json", "count-million.pdf"],
)  # fmt: skip
def test_too_large(extractor: IsolatedExtractor, name: str) -> None:
    with pytest.raises(DocumentTooLarge, match=name):
        extractor.extract(bomb(name), name=name)


@pytest.mark.parametrize("form", ["laughs", "quadratic", "outside", "parameter", "late", "utf16"])
def test_entities(extractor: IsolatedExtractor, form: str) -> None:
    found = [
        item for item in corpus.crafted() if item.kind == "xml" and item.name.startswith(f"{form}-")
    ]
    assert len(found) > 8
    for item in found:
        if item.name.endswith(".xhtml.epub"):  # a chapter is HTML, where nothing is expanded
            continue
        with pytest.raises(DocumentUnreadable, match="XML entities"):
            extractor.extract(item.make(), name=item.name)
