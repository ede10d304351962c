"""Fuses several rankings of the same chunks into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from smartypants.types import Candidate, Chunk


@dataclass(frozen=True, slots=True)
class Fused:
    """A chunk with, by leg that found it: the leg's own score, what that adds to the fused one,
    and the rank."""

    chunk: Chunk
    scores: dict[str, float]
    parts: dict[str, float]
    ranks: dict[str, int]

    @property
    def score(self) -> float:
        return sum(self.parts.values())


def weighted_sum(
    legs: Mapping[str, Sequence[Candidate]], *, weights: Mapping[str, float]
) -> list[Fused]:
    """Fuse rankings, best first: score = Σ over legs of weight · (s - min) / (max - min).

    Each leg's scores are scaled to 0…1 over its own candidates; a leg that did not find a chunk
    adds nothing. A convex combination of scaled scores keeps how far apart candidates are, which
    ranks lose: Bruch, Gai & Ingber, ACM TOIS 2023. Weights of 0.5 each beat reciprocal rank
    fusion on all our sets (docs/decisions.md).
    """
    parts = {
        leg: [weights[leg] * share for share in _scaled(candidates)]
        for leg, candidates in legs.items()
    }
    return _fused(legs, parts)


def reciprocal_rank_fusion(
    legs: Mapping[str, Sequence[Candidate]],
    *,
    k: int,
    weights: Mapping[str, float] | None = None,
) -> list[Fused]:
    """Fuse rankings, best first: score = Σ over legs of weight / (k + rank), ranks from 1.

    Without weights all are 1. Ties keep the order of the legs. Cormack, Clarke & Büttcher,
    SIGIR 2009.
    """
    parts = {
        leg: [(weights[leg] if weights else 1.0) / (k + rank + 1) for rank in range(len(ranked))]
        for leg, ranked in legs.items()
    }
    return _fused(legs, parts)


def _scaled(candidates: Sequence[Candidate]) -> list[float]:
    if not candidates:
        return []
    scores = [candidate.score for candidate in candidates]
    high, span = max(scores), max(scores) - min(scores)
    return [1.0 if span == 0 else 1.0 - (high - score) / span for score in scores]


def _fused(
    legs: Mapping[str, Sequence[Candidate]], parts: Mapping[str, Sequence[float]]
) -> list[Fused]:
    found: dict[tuple[str, str, int], Fused] = {}
    for leg, candidates in legs.items():
        for rank, (candidate, part) in enumerate(zip(candidates, parts[leg], strict=True), start=1):
            chunk = candidate.chunk
            key = (chunk.document_id, chunk.version, chunk.index)
            item = found.get(key)
            if item is None:
                item = found[key] = Fused(chunk, {}, {}, {})
            item.scores[leg], item.parts[leg], item.ranks[leg] = candidate.score, part, rank
    return sorted(found.values(), key=lambda item: -item.score)
