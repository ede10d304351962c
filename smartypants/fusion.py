"""Fuses several rankings of the same chunks into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from smartypants.types import Candidate, Chunk


@dataclass(frozen=True, slots=True)
class Fused:
    """A chunk with its fused score, and by leg that found it: the leg's own score, what that adds
    to the fused one, and the rank."""

    chunk: Chunk
    score: float
    scores: Mapping[str, float]
    parts: Mapping[str, float] = field(default_factory=dict)
    ranks: Mapping[str, int] = field(default_factory=dict)


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
        leg: {c.chunk.chunk_id: weights[leg] * share for c, share in _scaled(candidates)}
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
        leg: {
            c.chunk.chunk_id: (weights[leg] if weights else 1.0) / (k + rank)
            for rank, c in enumerate(candidates, start=1)
        }
        for leg, candidates in legs.items()
    }
    return _fused(legs, parts)


def _scaled(candidates: Sequence[Candidate]) -> list[tuple[Candidate, float]]:
    if not candidates:
        return []
    high = max(candidate.score for candidate in candidates)
    span = high - min(candidate.score for candidate in candidates)
    return [
        (candidate, 1.0 if span == 0 else 1.0 - (high - candidate.score) / span)
        for candidate in candidates
    ]


def _fused(
    legs: Mapping[str, Sequence[Candidate]], parts: Mapping[str, Mapping[str, float]]
) -> list[Fused]:
    chunks: dict[str, Chunk] = {}
    scores: dict[str, dict[str, float]] = {}
    ranks: dict[str, dict[str, int]] = {}
    for leg, candidates in legs.items():
        for rank, candidate in enumerate(candidates, start=1):
            chunk_id = candidate.chunk.chunk_id
            chunks.setdefault(chunk_id, candidate.chunk)
            scores.setdefault(chunk_id, {})[leg] = candidate.score
            ranks.setdefault(chunk_id, {})[leg] = rank
    added = {key: {leg: parts[leg][key] for leg in found} for key, found in scores.items()}
    totals = {key: sum(found.values()) for key, found in added.items()}
    order = sorted(totals, key=lambda key: -totals[key])
    return [Fused(chunks[key], totals[key], scores[key], added[key], ranks[key]) for key in order]
