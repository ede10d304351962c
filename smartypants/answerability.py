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
    """What the regression sees; cosines from -1 to 1, the rest shares."""

    similarity: float
    """Of the closest passage to the question, in meaning."""
    coverage: float
    """The most of the question's terms that one passage has."""
    sentence_coverage: float
    """The most that one sentence and its neighbours have."""


COEFFICIENTS = Features(similarity=6.0, coverage=1.0, sentence_coverage=1.0)
INTERCEPT = -2.0


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
    coverage = max((_share(wanted, hit.chunk.searched_text) for hit in hits), default=0.0)
    nearby = max((_share(wanted, part) for hit in hits for part in _windows(hit)), default=0.0)
    return Features(similarity, coverage, nearby)


def _share(wanted: frozenset[str], text: str) -> float:
    return len(wanted.intersection(terms(text).split())) / len(wanted) if wanted else 0.0


def _windows(hit: SearchHit) -> list[str]:
    text = hit.chunk.text
    found = spans(text)
    last = len(found) - 1
    return [text[found[max(i - 1, 0)][0] : found[min(i + 1, last)][1]] for i in range(len(found))]
