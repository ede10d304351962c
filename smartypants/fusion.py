"""Reciprocal rank fusion of several rankings of the same chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from smartypants.types import Candidate, Chunk


@dataclass(frozen=True, slots=True)
class Fused:
    """A chunk with its fused score and the score of each leg that found it."""

    chunk: Chunk
    score: float
    scores: Mapping[str, float]


def reciprocal_rank_fusion(legs: Mapping[str, Sequence[Candidate]], *, k: int) -> list[Fused]:
    """Fuse rankings, best first: score = Σ over legs of 1 / (k + rank), ranks from 1.

    Ties keep the order of the legs. Cormack, Clarke & Büttcher, SIGIR 2009.
    """
    chunks: dict[str, Chunk] = {}
    scores: dict[str, dict[str, float]] = {}
    totals: dict[str, float] = {}
    for leg, candidates in legs.items():
        for rank, candidate in enumerate(candidates, start=1):
            chunk_id = candidate.chunk.chunk_id
            chunks.setdefault(chunk_id, candidate.chunk)
            scores.setdefault(chunk_id, {})[leg] = candidate.score
            totals[chunk_id] = totals.get(chunk_id, 0.0) + 1.0 / (k + rank)
    order = sorted(totals, key=lambda chunk_id: -totals[chunk_id])
    return [Fused(chunks[item], totals[item], scores[item]) for item in order]
