"""One document: fetch → keep raw → extract text and chunks → keep text. No Ray, no vectors."""

from __future__ import annotations

from dataclasses import dataclass

from smartypants.chunking import assemble, clean_line
from smartypants.errors import DocumentTooLarge
from smartypants.extracting import IsolatedExtractor
from smartypants.protocols import BlobStore, Connector
from smartypants.types import Chunk, DocumentRef, content_version


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document ready to be embedded."""

    ref: DocumentRef
    version: str
    title: str
    chunks: tuple[Chunk, ...]
    parsed: dict[str, str]


def read(
    ref: DocumentRef,
    *,
    connector: Connector,
    blobs: BlobStore,
    extractor: IsolatedExtractor,
    max_bytes: int,
    indexed_version: str | None,
) -> ReadDocument | None:
    """Read a document; None if its content is the version that is indexed already.

    Raises `DocumentError` for one that can't be read; whatever else is raised is no fault of
    the document, and trying again may help.
    """
    if ref.size > max_bytes:
        raise DocumentTooLarge(
            f"{ref.name} has {ref.size} bytes, over the limit of {max_bytes}.",
            "Raise parsing.max_document_bytes, or split it.",
        )
    data = connector.fetch(ref)
    if len(data) > max_bytes:
        raise DocumentTooLarge(f"{ref.name} has {len(data)} bytes, over the limit of {max_bytes}.")
    version = content_version(data)
    if version == indexed_version:
        return None
    blobs.put(f"raw/{ref.document_id}/{version}", data)
    found = extractor.extract(data, name=ref.name, media_type=ref.media_type)
    blobs.put(f"text/{ref.document_id}/{version}", found.text.encode())
    given = clean_line(ref.metadata.get("title", ""))
    title = given or found.title or clean_line(ref.name)
    chunks = assemble(
        found.text, found.spans, document_id=ref.document_id, version=version, title=title
    )
    return ReadDocument(ref, version, title, chunks, dict(found.metadata))
