"""Where documents are that came inside another one, and what their references say.

The address of an attachment is that of its message and `#attachment/NAME`, with `/2` behind it
for the second of that name; a message may itself be an attachment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

from smartypants.attributes import AUTHOR_KEYS, DATE_KEYS, first
from smartypants.types import (
    Attachment,
    DocumentRef,
    Relation,
    RelationKind,
    content_version,
    stable_id,
)

MARK = "#attachment/"


def container(uri: str) -> str | None:
    """The address of the document that this one came in; None for one that came by itself."""
    before, mark, _ = uri.rpartition(MARK)
    return before if mark else None


def depth(uri: str) -> int:
    """How many documents within each other this one came in."""
    return uri.count(MARK)


def version_of(ref: DocumentRef) -> str:
    """The version of an attachment's bytes."""
    return ref.etag.partition("-")[0]


def unpack(
    message: DocumentRef,
    attachments: Sequence[Attachment],
    *,
    title: str,
    parsed: Mapping[str, str],
) -> Iterator[tuple[DocumentRef, bytes]]:
    """The references and bytes of what came inside a document.

    Each has its message's author and date, and its title as `message`; when these change, so
    does its etag. Who may read it the ledger knows.
    """
    metadata = _metadata(message, title, parsed)
    described = stable_id(*(item for pair in metadata.items() for item in pair))
    named: Counter[str] = Counter()
    for item in attachments:
        named[item.name] += 1
        number = f"/{named[item.name]}" if named[item.name] > 1 else ""
        ref = DocumentRef(
            source_id=message.source_id,
            uri=f"{message.uri}{MARK}{quote(item.name, safe='')}{number}",
            name=f"{message.name}/{item.name}",
            etag=f"{content_version(item.data)}-{described}",
            size=len(item.data),
            media_type=item.media_type,
            metadata=metadata,
            relations=(Relation(RelationKind.ATTACHMENT_OF, message.uri),),
        )
        yield ref, item.data


def _metadata(message: DocumentRef, title: str, parsed: Mapping[str, str]) -> dict[str, str]:
    known = {
        key.lower(): value for said in (parsed, message.metadata) for key, value in said.items()
    }
    found = {
        "author": first(known, AUTHOR_KEYS),
        "date": first(known, DATE_KEYS),
        "message": title,
    }
    return {key: value for key, value in found.items() if value}
