"""What stands around hits: neighbouring chunks, and the section that a hit is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from smartypants.protocols import VectorStore
from smartypants.types import Chunk, SearchHit, Span

PARENT_REACH = 8
"""Chunks before and after a hit that its section is looked for in."""


def surround(
    hits: Sequence[SearchHit],
    *,
    vectors: VectorStore,
    physical: str,
    acl_ids: Sequence[int],
    neighbours: int,
    parents: bool,
) -> list[SearchHit]:
    """The hits with what stands around them, from one query of the vector store.

    Only chunks of a hit's own version are fetched, and the caller's ACLs are asked for again.
    """
    reach = max(neighbours, PARENT_REACH if parents else 0)
    if not reach or not hits:
        return list(hits)
    spans = [
        Span(
            hit.chunk.document_id,
            hit.chunk.version,
            max(hit.chunk.index - reach, 0),
            hit.chunk.index + reach,
        )
        for hit in hits
    ]
    found: dict[tuple[str, str], dict[int, Chunk]] = {}
    for chunk in vectors.passages(physical, spans, acl_ids=acl_ids):
        found.setdefault((chunk.document_id, chunk.version), {})[chunk.index] = chunk
    return [
        _surrounded(
            hit, found.get((hit.chunk.document_id, hit.chunk.version), {}), neighbours, parents
        )
        for hit in hits
    ]


def _surrounded(
    hit: SearchHit, near: Mapping[int, Chunk], neighbours: int, parents: bool
) -> SearchHit:
    at = hit.chunk.index
    around = [near[n] for n in range(at - neighbours, at + neighbours + 1) if n in near and n != at]
    section = _section(hit.chunk, near) if parents else ()
    return replace(hit, neighbours=tuple(around), parent=section)


def _section(chunk: Chunk, near: Mapping[int, Chunk]) -> tuple[Chunk, ...]:
    """The unbroken run of chunks around it that stand below the same headings."""
    first = last = chunk.index
    while first - 1 in near and _below(chunk, near[first - 1]):
        first -= 1
    while last + 1 in near and _below(chunk, near[last + 1]):
        last += 1
    others = {**near, chunk.index: chunk}
    limit = range(max(first, chunk.index - PARENT_REACH), min(last, chunk.index + PARENT_REACH) + 1)
    return tuple(others[number] for number in limit)


def _below(chunk: Chunk, other: Chunk) -> bool:
    return other.headings[: len(chunk.headings)] == chunk.headings


def joined(chunks: Sequence[Chunk]) -> str:
    """Their text as it stands in the document, but for white space between them."""
    text, end = "", None
    for chunk in chunks:
        if end is None or chunk.start > end:
            text += ("\n\n" if text else "") + chunk.text
        else:
            text += chunk.text[end - chunk.start :]  # chunks may overlap
        end = max(end or 0, chunk.end)
    return text
