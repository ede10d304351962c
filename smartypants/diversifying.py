"""Sets back hits that resemble better ones: maximal marginal relevance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from smartypants.terms import terms
from smartypants.types import SearchHit


def diversify(hits: Sequence[SearchHit], *, diversity: float, limit: int) -> list[SearchHit]:
    """The `limit` hits that together cover most, in the order chosen.

    Each next one has the largest (1 - d) · relevance - d · resemblance, where relevance is the
    score scaled to 0…1 over the hits, and resemblance the highest cosine between its set of terms
    and that of a hit chosen before. Carbonell & Goldstein, SIGIR 1998, with d = 1 - λ. Terms cost
    no look-up, unlike vectors, which would have to be fetched (docs/decisions.md).
    """
    if diversity <= 0 or len(hits) < 2:
        return list(hits[:limit])
    low, high = min(hit.score for hit in hits), max(hit.score for hit in hits)
    span = high - low
    relevance = [(hit.score - low) / span if span else 1.0 for hit in hits]
    sets = [frozenset(terms(hit.chunk.text).split()) for hit in hits]
    nearest = [0.0] * len(hits)
    left = list(range(len(hits)))
    chosen: list[SearchHit] = []
    while left and len(chosen) < limit:

        def marginal(number: int) -> float:
            return (1 - diversity) * relevance[number] - diversity * nearest[number]

        best = max(left, key=marginal)  # of equal ones the better hit, which comes first
        left.remove(best)
        noted = {**hits[best].explanation, "mmr": round(marginal(best), 6)}
        chosen.append(replace(hits[best], explanation=noted))
        for number in left:
            nearest[number] = max(nearest[number], _cosine(sets[best], sets[number]))
    return chosen


def _cosine(one: frozenset[str], other: frozenset[str]) -> float:
    if not one or not other:
        return 0.0
    return float(len(one & other) / (len(one) * len(other)) ** 0.5)
