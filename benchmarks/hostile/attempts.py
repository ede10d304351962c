"""One hostile document through the reading of the product, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.hostile.corpus import Hostile
from smartypants.errors import DocumentError
from smartypants.extracting import IsolatedExtractor
from smartypants.protocols import BlobStore
from smartypants.reading import ReadDocument, read
from smartypants.types import DocumentRef

PARSED = "parsed"
CRASH = "crash"


@dataclass(frozen=True, slots=True)
class Attempt:
    """`outcome` is `parsed`, the code of a document's error, or `crash` for anything else."""

    kind: str
    name: str
    outcome: str
    seconds: float
    message: str = ""


class OneDocument:
    """A source that has one document, in memory."""

    source_id = "hostile"
    uri = "memory:hostile"

    def __init__(self, name: str, data: bytes) -> None:
        self._data = data
        self.ref = DocumentRef(self.source_id, f"{self.uri}/{name}", name, "1", len(data))

    def discover(self) -> Iterator[DocumentRef]:
        yield self.ref

    def fetch(self, ref: DocumentRef) -> bytes:
        return self._data


def attempt(item: Hostile, *, extractor: IsolatedExtractor, blobs: BlobStore) -> Attempt:
    """Read it as the ingest program does. Never raises but for what ends the program."""
    source = OneDocument(item.name, item.make())
    started = time.perf_counter()
    try:
        document = read(
            source.ref,
            connector=source,
            blobs=blobs,
            extractor=extractor,
            max_bytes=100 * 2**20,
            indexed_version=None,
        )
        outcome, message = PARSED, ""
        if document is None or not sound(document, blobs):
            outcome, message = CRASH, "chunks that do not fit the text, or can't be stored"
    except DocumentError as exc:
        outcome, message = exc.code, str(exc)
    except Exception as exc:  # noqa: BLE001 - what this is looking for
        outcome, message = CRASH, f"{type(exc).__name__}: {exc}"
    return Attempt(item.kind, item.name, outcome, time.perf_counter() - started, message)


def sound(document: ReadDocument, blobs: BlobStore) -> bool:
    """Whether every chunk is a piece of the kept text, and all of it can be stored anywhere."""
    ref = document.ref
    text = blobs.get(f"text/{ref.document_id}/{document.version}").decode()
    texts = [document.title, *document.parsed.keys(), *document.parsed.values()]
    for chunk in document.chunks:
        if chunk.text != text[chunk.start : chunk.end] or not chunk.text.strip():
            return False
        texts += [chunk.context, chunk.page or "", *chunk.headings]
    texts.append(text)
    return all("\x00" not in item and _encodes(item) for item in texts)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
