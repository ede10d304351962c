"""How chunks are rows of Milvus, and the expressions that find them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from smartypants.terms import terms
from smartypants.types import Candidate, Chunk, Filters, StoredChunk

FIELDS = ["document_id", "version", "chunk_index", "text", "metadata"]
MAX_TEXT = 65_535
MAX_ROWS = 16_384
"""That one query of a Milvus server returns."""
COUNT_BATCH = 200
_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_SURROGATE = re.compile("[\ud800-\udfff]")


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
    return Candidate(_chunk(hit["entity"]), abs(score) if positive else score)


def stored(row: dict[str, Any]) -> StoredChunk:
    vector = row.get("vector")
    return StoredChunk(
        _chunk(row),
        chunk_id=row["chunk_id"],
        acl_id=int(row["acl_id"]),
        source_id=row["source_id"],
        vector=None if vector is None else np.asarray(vector, dtype=np.float32),
    )


def _chunk(entity: Any) -> Chunk:
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
    return " and ".join(parts)


def quoted(value: str) -> str:
    """A string literal that ends where it should: Milvus Lite has no bound parameters.

    It knows these escapes and no others. No stored string holds half a surrogate pair.
    """
    return f'"{_SURROGATE.sub(chr(0xFFFD), value).translate(_ESCAPES)}"'
