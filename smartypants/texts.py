"""The text of a document as it was read, kept so that it can be cut and embedded anew.

`text/<document_id>/<version>` is the Markdown; beside it, with `.json` at the end, lies what
else the parser found: title, metadata, and where pages start.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from smartypants.errors import NotFound
from smartypants.protocols import BlobStore
from smartypants.types import Mark, ParsedDocument


class _Found(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str | None
    pages: list[tuple[int, str]]
    metadata: dict[str, str]


def raw_key(document_id: str, version: str) -> str:
    return f"raw/{document_id}/{version}"


def text_key(document_id: str, version: str) -> str:
    return f"text/{document_id}/{version}"


def keep(blobs: BlobStore, document_id: str, version: str, parsed: ParsedDocument) -> None:
    """Idempotent; a text is never there without what belongs to it."""
    found = _Found(
        title=parsed.title,
        pages=[(mark.offset, mark.label) for mark in parsed.pages],
        metadata=dict(parsed.metadata),
    )
    key = text_key(document_id, version)
    blobs.put(f"{key}.json", found.model_dump_json().encode())
    blobs.put(key, parsed.text.encode())


def load(blobs: BlobStore, document_id: str, version: str) -> ParsedDocument:
    """What was kept. Raises `NotFound` if it is not all there."""
    key = text_key(document_id, version)
    text = blobs.get(key).decode()
    try:
        found = _Found.model_validate_json(blobs.get(f"{key}.json"))
    except ValidationError as exc:
        raise NotFound(f"Blob {key}.json is damaged.") from exc
    pages = tuple(Mark(offset, label) for offset, label in found.pages)
    return ParsedDocument(text, found.title, pages, found.metadata)


def load_found(blobs: BlobStore, document_id: str, version: str) -> str | None:
    """What was found besides the text, as JSON; None where that was not kept."""
    try:
        return blobs.get(f"{text_key(document_id, version)}.json").decode()
    except NotFound:
        return None


def keep_again(
    blobs: BlobStore, document_id: str, version: str, text: str, found: str | None
) -> None:
    """Keep what `load_text` and `load_found` gave elsewhere."""
    key = text_key(document_id, version)
    if found is not None:
        blobs.put(f"{key}.json", found.encode())
    blobs.put(key, text.encode())


def load_text(blobs: BlobStore, document_id: str, version: str) -> str:
    """The Markdown alone. Raises `NotFound`."""
    return blobs.get(text_key(document_id, version)).decode()
