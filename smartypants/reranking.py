"""Puts the best hits in the order of a cross-encoder's scores."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from smartypants.types import SearchHit


async def rerank(
    query: str,
    hits: Sequence[SearchHit],
    *,
    scores: Callable[[str, Sequence[str]], Awaitable[list[float]]],
    depth: int,
) -> list[SearchHit]:
    """Reorder the first `depth` hits; the rest follow as they were."""
    head, tail = hits[:depth], hits[depth:]
    given = await scores(query, [hit.chunk.searched_text for hit in head])
    scored = [
        replace(hit, score=score, scores={**hit.scores, "fused": hit.score, "rerank": score})
        for hit, score in zip(head, given, strict=True)
    ]
    return [*sorted(scored, key=lambda hit: -hit.score), *tail]
