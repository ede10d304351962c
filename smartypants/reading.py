"""One document: fetch → keep raw → parse → clean → chunk. No Ray, no vectors."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from smartypants import texts
from smartypants.errors import DocumentTooLarge, DocumentUnreadable, NotFound
from smartypants.outline import body_start, outline
from smartypants.parsing import IsolatedParser
from smartypants.protocols import BlobStore, Chunker, Connector
from smartypants.types import Chunk, DocumentRef, Mark, ParsedDocument, content_version

MAX_CONTEXT_CHARS = 160
"""About as many tokens as `chunker.context_tokens` keeps free by default."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ufeff\u200b\u2060\ufffe\uffff\ud800-\udfff]")
# The look-behind keeps a long run of spaces inside a line from being tried at each of them.
_TRAILING_SPACE = re.compile(r"(?<![ \t\x0c])[ \t\x0c]+$", re.MULTILINE)


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
    parser: IsolatedParser,
    chunker: Chunker,
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
    blobs.put(texts.raw_key(ref.document_id, version), data)
    parsed = clean(parser.parse(data, name=ref.name, media_type=ref.media_type))
    texts.keep(blobs, ref.document_id, version, parsed)
    return _cut(ref, version, parsed, chunker)


def reread(
    ref: DocumentRef,
    version: str,
    *,
    blobs: BlobStore,
    parser: IsolatedParser,
    chunker: Chunker,
) -> ReadDocument:
    """Cut a version that was read before, from what was kept of it; the source is not asked.

    Of one that was read when page marks were not kept yet, the raw bytes are parsed again.
    Raises `DocumentError` like `read`, also if nothing is left of it.
    """
    try:
        parsed = texts.load(blobs, ref.document_id, version)
    except NotFound:
        parsed = _parse_again(ref, version, blobs, parser)
    return _cut(ref, version, parsed, chunker)


def _parse_again(
    ref: DocumentRef, version: str, blobs: BlobStore, parser: IsolatedParser
) -> ParsedDocument:
    try:
        data = blobs.get(texts.raw_key(ref.document_id, version))
    except NotFound:
        pass
    else:
        parsed = clean(parser.parse(data, name=ref.name, media_type=ref.media_type))
        texts.keep(blobs, ref.document_id, version, parsed)
        return parsed
    try:
        return ParsedDocument(texts.load_text(blobs, ref.document_id, version))
    except NotFound as exc:
        raise DocumentUnreadable(
            f"Nothing is kept of {ref.name}.", "Ingest it from its source again."
        ) from exc


def _cut(ref: DocumentRef, version: str, parsed: ParsedDocument, chunker: Chunker) -> ReadDocument:
    title = ref.metadata.get("title") or parsed.title or _first_heading(parsed.text) or ref.name
    chunks = cut(parsed, ref.document_id, version, title=title, chunker=chunker)
    if not chunks:
        raise DocumentUnreadable(f"{ref.name} has no text.", "There is nothing to index.")
    return ReadDocument(ref, version, title, chunks, dict(parsed.metadata))


def clean(parsed: ParsedDocument) -> ParsedDocument:
    """Unicode NFC, no control characters, no spaces at line ends; page marks move along."""
    text = parsed.text
    bounds = [0, *(mark.offset for mark in parsed.pages), len(text)]
    pieces = [_clean_text(text[start:end]) for start, end in pairwise(bounds)]
    offsets = [0]
    for piece in pieces:
        offsets.append(offsets[-1] + len(piece))
    pages = tuple(
        Mark(offset, mark.label) for offset, mark in zip(offsets[1:], parsed.pages, strict=False)
    )
    title = _clean_text(parsed.title or "").strip() or None
    return ParsedDocument("".join(pieces), title, pages, parsed.metadata)


def _clean_text(text: str) -> str:
    return _TRAILING_SPACE.sub("", _CONTROL.sub("", unicodedata.normalize("NFC", text)))


def cut(
    parsed: ParsedDocument, document_id: str, version: str, *, title: str, chunker: Chunker
) -> tuple[Chunk, ...]:
    """The document's chunks, each with its headings, page and context."""
    text = parsed.text
    headings = outline(text)
    chunks = []
    for index, (start, end) in enumerate(chunker.split(text)):
        body = body_start(text, start, end)
        above = headings.headings_at(start - 1) if start else ()
        chunks.append(
            Chunk(
                document_id=document_id,
                version=version,
                index=index,
                text=text[start:end],
                start=start,
                end=end,
                headings=headings.at(body),
                page=_page(parsed.pages, body),
                context=_context(title, [name for _, name in above], text[start:end]),
                above=above,
            )
        )
    return tuple(chunks)


def _first_heading(text: str) -> str | None:
    paths = outline(text).paths
    return paths[0][0] if paths else None


def _page(pages: Sequence[Mark], offset: int) -> str | None:
    index = bisect_right([mark.offset for mark in pages], offset) - 1
    return pages[index].label if index >= 0 else None


def _context(title: str, headings: Sequence[str], passage: str) -> str:
    """Title and headings above a passage, without what the passage itself begins with."""
    first_line = passage.split("\n", 1)[0].lstrip("# ").strip()
    parts = [part for part in dict.fromkeys((title, *headings)) if part != first_line]
    context = " > ".join(parts)
    return context if len(context) <= MAX_CONTEXT_CHARS else context[-MAX_CONTEXT_CHARS:]
