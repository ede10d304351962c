"""How chunks are rows of Milvus, and the expressions that find them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from smartypants.attributes import Attributes, folded_author
from smartypants.terms import terms
from smartypants.types import Candidate, Chunk, Filters, Span, StoredChunk

ATTRIBUTES = ["media_type", "author", "dated_at"]
NO_DATE = -(2**62)
MAX_SECONDS = 2.0**60
FIELDS = ["document_id", "version", "chunk_index", "text", "metadata"]
MAX_TEXT = 65_535
MAX_ROWS = 16_384
"""That one query of a Milvus server returns."""
COUNT_BATCH = 200
MAX_MEDIA_TYPE = 200
_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_SURROGATE = re.compile("[\ud800-\udfff]")


def described(given: Attributes) -> dict[str, Any]:
    return {
        "media_type": _SURROGATE.sub(chr(0xFFFD), given.media_type[:MAX_MEDIA_TYPE]),
        "author": given.author,
        "dated_at": NO_DATE if given.dated_at is None else given.dated_at,
    }


def to_row(chunk: Chunk, acl_id: int, source_id: str, now: int) -> dict[str, Any]:
    searched = chunk.searched_text
    return {
        "chunk_id": chunk.chunk_id,
        "document_id": chunk.document_id,
        "version": chunk.version,
        "source_id": source_id,
        "chunk_index": chunk.index,
        "acl_id": acl_id,
        "updated_at": now,
        "text": chunk.text[:MAX_TEXT],
        "terms": terms(searched)[:MAX_TEXT],
        "metadata": {
            "start": chunk.start,
            "end": chunk.end,
            "headings": list(chunk.headings),
            "page": chunk.page,
            "context": chunk.context,
            "above": [list(heading) for heading in chunk.above],
        },
    }


def candidate(hit: Any, *, positive: bool = False) -> Candidate:
    score = float(hit["distance"])
    return Candidate(to_chunk(hit["entity"]), abs(score) if positive else score)


def stored(row: dict[str, Any]) -> StoredChunk:
    vector = row.get("vector")
    return StoredChunk(
        to_chunk(row),
        chunk_id=row["chunk_id"],
        acl_id=int(row["acl_id"]),
        source_id=row["source_id"],
        vector=None if vector is None else np.asarray(vector, dtype=np.float32),
        attributes=_attributes(row) if "dated_at" in row else None,
    )


def _attributes(row: dict[str, Any]) -> Attributes:
    dated_at = int(row["dated_at"])
    return Attributes(row["media_type"], row["author"], None if dated_at == NO_DATE else dated_at)


def to_chunk(entity: Any) -> Chunk:
    place = entity["metadata"]
    return Chunk(
        document_id=entity["document_id"],
        version=entity["version"],
        index=int(entity["chunk_index"]),
        text=entity["text"],
        start=place["start"],
        end=place["end"],
        headings=tuple(place["headings"]),
        page=place["page"],
        context=place["context"],
        above=tuple((int(level), str(name)) for level, name in place["above"]),
    )


def in_groups(expected: Mapping[str, tuple[str, int]]) -> Iterator[list[str]]:
    """Documents in groups that together have fewer chunks than a query returns."""
    batch: list[str] = []
    chunks = 0
    for document_id, (_, count) in expected.items():
        if batch and (chunks + count > MAX_ROWS // 2 or len(batch) == COUNT_BATCH):
            yield batch
            batch, chunks = [], 0
        batch.append(document_id)
        chunks += count
    if batch:
        yield batch


def of_documents(document_ids: Sequence[str]) -> str:
    """Empty, which is everything, without any."""
    if not document_ids:
        return ""
    return f"document_id in [{', '.join(quoted(each) for each in document_ids)}]"


def of_versions(group: Sequence[str], expected: Mapping[str, tuple[str, int]]) -> str:
    """The expected chunks of a group of documents: of one alone exactly these, of several also
    some that `is_expected` tells apart."""
    documents = ", ".join(quoted(document_id) for document_id in group)
    versions = ", ".join({quoted(expected[document_id][0]) for document_id in group})
    found = f"document_id in [{documents}] and version in [{versions}]"
    return found if len(group) > 1 else f"{found} and chunk_index < {expected[group[0]][1]}"


def is_expected(row: Mapping[str, Any], expected: Mapping[str, tuple[str, int]]) -> bool:
    version, count = expected[row["document_id"]]
    return bool(row["version"] == version and row["chunk_index"] < count)


def others(document_id: str, kept: tuple[str, int] | None) -> str:
    mine = f"document_id == {quoted(document_id)}"
    if kept is None:
        return mine
    version, count = kept
    return f"({mine} and (version != {quoted(version)} or chunk_index >= {int(count)}))"


def readable(acl_ids: Sequence[int], filters: Filters) -> str:
    """The filter that every read carries: what the caller may see, and what it asked for."""
    parts = [f"acl_id in {[int(acl_id) for acl_id in acl_ids]}"]
    for name, values in (("document_id", filters.document_ids), ("source_id", filters.source_ids)):
        if values:
            parts.append(f"{name} in [{', '.join(quoted(value) for value in values)}]")
    return " and ".join([*parts, *_described_as(filters)])


def _described_as(filters: Filters) -> Iterator[str]:
    if filters.media_types:
        types = ", ".join(quoted(value[:MAX_MEDIA_TYPE]) for value in filters.media_types)
        yield f"media_type in [{types}]"
    if filters.authors:
        # A folded name has no character that `like` or the literal takes for another.
        names = [name for name in map(folded_author, filters.authors) if name]
        likes = " or ".join(f"author like {quoted(f'%{name}%')}" for name in names)
        yield f"({likes})" if likes else f"dated_at < {NO_DATE}"
    if filters.after is not None:
        yield f"dated_at >= {_whole(filters.after)}"
    if filters.before is not None:
        yield f"dated_at < {_whole(filters.before)} and dated_at > {NO_DATE}"


def _whole(seconds: float) -> int:
    """Rounded up: whole seconds are compared, and `t >= 1.5` means `t >= 2`."""
    return math.ceil(min(max(seconds, -MAX_SECONDS), MAX_SECONDS))


def within(spans: Sequence[Span], acl_ids: Sequence[int]) -> str:
    """The filter that finds the readable chunks of these spans."""
    clauses = [
        f"(document_id == {quoted(span.document_id)} and version == {quoted(span.version)} "
        f"and chunk_index >= {int(span.first)} and chunk_index <= {int(span.last)})"
        for span in spans
    ]
    return f"{readable(acl_ids, Filters())} and ({' or '.join(clauses)})"


def quoted(value: str) -> str:
    """A string literal that ends where it should: Milvus Lite has no bound parameters.

    It knows these escapes and no others. No stored string holds half a surrogate pair.
    """
    return f'"{_SURROGATE.sub(chr(0xFFFD), value).translate(_ESCAPES)}"'
