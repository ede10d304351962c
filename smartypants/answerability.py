"""Whether passages are likely to hold an answer, by features that cost no model call.

A logistic regression, its coefficients fixed here. `benchmarks/answers_quality.py` fits them on
one half of its questions and reports the other half; docs/answers.md has the figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from smartypants.extractive import asked_terms
from smartypants.sentences import spans
from smartypants.terms import terms
from smartypants.types import SearchHit


@dataclass(frozen=True, slots=True)
class Features:
    """What the regression sees."""

    similarity: float
    """Cosine of the question and the passage closest to it, -1 to 1."""
    coverage: float
    """The most of the question's terms that one sentence and its neighbours have, 0 to 1."""


COEFFICIENTS = Features(similarity=6.91, coverage=1.55)
INTERCEPT = -4.14


def answerability(question: str, hits: Sequence[SearchHit]) -> float:
    """The estimated probability, 0 to 1, that the hits hold an answer; 0 if there are none."""
    if not hits:
        return 0.0
    seen = astuple(features(question, hits))
    logit = INTERCEPT + sum(w * x for w, x in zip(astuple(COEFFICIENTS), seen, strict=True))
    return 1 / (1 + math.exp(-logit))


def features(question: str, hits: Sequence[SearchHit]) -> Features:
    wanted = asked_terms(question)
    similarity = max((hit.scores.get("dense", 0.0) for hit in hits), default=0.0)
    parts = (part for hit in hits for part in _windows(hit))
    return Features(similarity, max((_share(wanted, part) for part in parts), default=0.0))


def _share(wanted: frozenset[str], text: str) -> float:
    return len(wanted.intersection(terms(text).split())) / len(wanted) if wanted else 0.0


def _windows(hit: SearchHit) -> list[str]:
    text = hit.chunk.text
    found = spans(text)
    last = len(found) - 1
    return [text[found[max(i - 1, 0)][0] : found[min(i + 1, last)][1]] for i in range(len(found))]
