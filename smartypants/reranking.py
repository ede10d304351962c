"""Puts the best hits in the order of a cross-encoder's scores, or of a mix with the fused ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from smartypants.protocols import PairReranker, Reranker
from smartypants.types import SearchHit

Request = tuple[str, Sequence[str]]
"""A query and its passages."""


async def rerank(
    query: str,
    hits: Sequence[SearchHit],
    *,
    scores: Callable[[str, Sequence[str]], Awaitable[list[float]]],
    depth: int,
    weight: float = 1.0,
) -> list[SearchHit]:
    """Reorder the first `depth` hits; the rest follow as they were.

    The last score is `mixed`'s; a hit keeps the fused and the reranker's score beside it.
    """
    head, tail = hits[:depth], hits[depth:]
    given = await scores(query, [hit.chunk.searched_text for hit in head])
    last = mixed([hit.score for hit in head], given, weight=weight)
    scored = [
        replace(hit, score=score, scores={**hit.scores, "fused": hit.score, "rerank": reranked})
        for hit, score, reranked in zip(head, last, given, strict=True)
    ]
    return [*sorted(scored, key=lambda hit: -hit.score), *tail]


def mixed(fused: Sequence[float], reranked: Sequence[float], *, weight: float) -> list[float]:
    """weight · reranked + (1 - weight) · fused, both scaled to 0…1 over these hits.

    Scaling as in `fusion.weighted_sum`: the two live on different scales. With a weight of 1
    they are the reranker's scores as they are.
    """
    if weight == 1.0:
        return list(reranked)
    return [
        weight * mine + (1.0 - weight) * theirs
        for mine, theirs in zip(_scaled(reranked), _scaled(fused), strict=True)
    ]


def _scaled(scores: Sequence[float]) -> list[float]:
    if not scores:
        return []
    high = max(scores)
    span = high - min(scores)
    return [1.0 if span == 0 else 1.0 - (high - score) / span for score in scores]


def score_together(reranker: Reranker, requests: Sequence[Request]) -> list[list[float]]:
    """The scores of several requests, as one batch where the reranker can do that."""
    if not isinstance(reranker, PairReranker):
        return [reranker.scores(query, passages) for query, passages in requests]
    pairs = [(query, passage) for query, passages in requests for passage in passages]
    scores = iter(reranker.pair_scores(pairs))
    return [[next(scores) for _ in passages] for _, passages in requests]
