"""One document: fetch → keep raw → extract text and chunks → keep text. No Ray, no vectors."""

from __future__ import annotations

from dataclasses import dataclass, replace

from smartypants import attachments, texts
from smartypants.chunking import assemble, clean_line
from smartypants.errors import DocumentTooLarge, DocumentUnreadable, NotFound
from smartypants.extracting import Extraction, IsolatedExtractor
from smartypants.options.ingestion import AttachmentSettings
from smartypants.protocols import BlobStore, Connector
from smartypants.types import Chunk, DocumentRef, ParsedDocument, content_version

_LIMITS = AttachmentSettings()


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document ready to be embedded; `contents` are the attachments found in it, whose bytes
    are kept. None: it was not looked for any."""

    ref: DocumentRef
    version: str
    title: str
    chunks: tuple[Chunk, ...]
    parsed: dict[str, str]
    contents: tuple[DocumentRef, ...] | None = None


def read(
    ref: DocumentRef,
    *,
    connector: Connector,
    blobs: BlobStore,
    extractor: IsolatedExtractor,
    max_bytes: int,
    indexed_version: str | None,
    limits: AttachmentSettings = _LIMITS,
) -> ReadDocument | None:
    """Read a document; None if its content is the version that is indexed already.

    An attachment is read from what was kept of it when its message was read. It is due only
    when something about it changed, so it is read whatever is indexed.

    Raises `DocumentError` for one that can't be read; whatever else is raised is no fault of
    the document, and trying again may help.
    """
    depth = attachments.depth(ref.uri)
    if depth:
        _check_attachment(ref, depth, limits)
    if ref.size > max_bytes:
        raise DocumentTooLarge(
            f"{ref.name} has {ref.size} bytes, over the limit of {max_bytes}.",
            "Raise parsing.max_document_bytes, or split it.",
        )
    data = _kept(ref, blobs) if depth else connector.fetch(ref)
    if len(data) > max_bytes:
        raise DocumentTooLarge(f"{ref.name} has {len(data)} bytes, over the limit of {max_bytes}.")
    version = content_version(data)
    if not depth:
        if version == indexed_version:
            return None
        blobs.put(texts.raw_key(ref.document_id, version), data)
    document, found = _extract(ref, version, data, blobs, extractor)
    contents = _keep(document, found, blobs) if limits.max_depth else ()
    return replace(document, contents=contents)


def reread(
    ref: DocumentRef, version: str, *, blobs: BlobStore, extractor: IsolatedExtractor
) -> ReadDocument:
    """Cut a version that was read before, from what was kept of it; the source is not asked.

    Of one that was read when page marks were not kept yet, the raw bytes are extracted again.
    Raises `DocumentError` like `read`, also if nothing is left of it.
    """
    try:
        kept = texts.load(blobs, ref.document_id, version)
    except NotFound:
        try:
            data = blobs.get(texts.raw_key(ref.document_id, version))
        except NotFound:
            kept = _text_alone(ref, version, blobs)
        else:
            return _extract(ref, version, data, blobs, extractor)[0]
    spans = extractor.split(kept.text, kept.pages, name=ref.name)
    return _document(
        ref, version, Extraction(kept.text, spans, kept.title, kept.pages, kept.metadata)
    )


def _extract(
    ref: DocumentRef, version: str, data: bytes, blobs: BlobStore, extractor: IsolatedExtractor
) -> tuple[ReadDocument, Extraction]:
    found = extractor.extract(data, name=ref.name, media_type=ref.media_type)
    kept = ParsedDocument(found.text, found.title, found.pages, found.metadata)
    texts.keep(blobs, ref.document_id, version, kept)
    return _document(ref, version, found), found


def _check_attachment(ref: DocumentRef, depth: int, limits: AttachmentSettings) -> None:
    if depth > limits.max_depth:
        raise DocumentTooLarge(
            f"{ref.name} lies in {depth} messages within each other, over {limits.max_depth}.",
            "Raise parsing.attachments.max_depth, or ingest it by itself.",
        )
    if ref.size > limits.max_bytes:
        raise DocumentTooLarge(
            f"{ref.name} has {ref.size} bytes, over the limit of {limits.max_bytes}.",
            "Raise parsing.attachments.max_bytes, or ingest it by itself.",
        )


def _kept(ref: DocumentRef, blobs: BlobStore) -> bytes:
    try:
        return blobs.get(texts.raw_key(ref.document_id, attachments.version_of(ref)))
    except NotFound as exc:
        raise DocumentUnreadable(
            f"The bytes of {ref.name} are gone.", "Delete its message, and ingest that again."
        ) from exc


def _keep(document: ReadDocument, found: Extraction, blobs: BlobStore) -> tuple[DocumentRef, ...]:
    """Keep the bytes of what came inside a document: its source knows nothing of them."""
    contents = []
    for ref, data in attachments.unpack(
        document.ref, found.attachments, title=document.title, parsed=found.metadata
    ):
        blobs.put(texts.raw_key(ref.document_id, attachments.version_of(ref)), data)
        contents.append(ref)
    return tuple(contents)


def _text_alone(ref: DocumentRef, version: str, blobs: BlobStore) -> ParsedDocument:
    try:
        return ParsedDocument(texts.load_text(blobs, ref.document_id, version))
    except NotFound as exc:
        raise DocumentUnreadable(
            f"Nothing is kept of {ref.name}.", "Ingest it from its source again."
        ) from exc


def _document(ref: DocumentRef, version: str, found: Extraction) -> ReadDocument:
    given = clean_line(ref.metadata.get("title", ""))
    title = given or found.title or clean_line(ref.name)
    chunks = assemble(
        found.text, found.spans, document_id=ref.document_id, version=version, title=title
    )
    return ReadDocument(ref, version, title, chunks, dict(found.metadata))
