"""An answer in the documents' own words: the sentences that carry most of the question.

No model takes part. Chosen by terms and not by vectors because that finds the answer more often
(docs/answers.md has the figures), and costs no embedding of every sentence.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from smartypants.citing import cite
from smartypants.sentences import spans
from smartypants.terms import terms
from smartypants.types import Citation, SearchHit

RANK_WEIGHT = 0.3
"""What standing in the best passage is worth, beside carrying the whole question: 1."""

_ASKING = frozenset(
    terms("what who whom whose which when where why how do does did many much name").split()
)


def asked_terms(question: str) -> frozenset[str]:
    """The question's terms without those that only make it a question."""
    wanted = frozenset(terms(question).split())
    return (wanted - _ASKING) or wanted


@dataclass(frozen=True, slots=True)
class _Sentence:
    hit: SearchHit
    rank: int
    start: int
    end: int
    terms: frozenset[str]


def extract(question: str, hits: Sequence[SearchHit], *, sentences: int) -> list[Citation]:
    """The best sentences of the hits (best hit first) as citations, best first, none twice.

    A sentence's score is the share of the question's terms that it has, each weighted by its
    rarity among the sentences, plus `RANK_WEIGHT` / rank of its passage.
    """
    found = [item for rank, hit in enumerate(hits, start=1) for item in _sentences(hit, rank)]
    frequency = Counter(term for item in found for term in item.terms)
    wanted = asked_terms(question)
    weight = {term: math.log(1 + len(found) / max(frequency[term], 1)) for term in wanted}
    total = sum(weight.values()) or 1.0

    def score(item: _Sentence) -> float:
        return sum(weight[t] for t in wanted & item.terms) / total + RANK_WEIGHT / item.rank

    chosen: list[_Sentence] = []
    for item in sorted(found, key=score, reverse=True):
        if all(item.terms != other.terms for other in chosen):
            chosen.append(item)
        if len(chosen) == sentences:
            break
    return [
        cite(item.hit, item.start, item.end, number=number, support=1.0)
        for number, item in enumerate(chosen, start=1)
    ]


def _sentences(hit: SearchHit, rank: int) -> Iterator[_Sentence]:
    text = hit.chunk.text
    for start, end in spans(text):
        held = frozenset(terms(text[start:end]).split())
        if held:
            yield _Sentence(hit, rank, start, end, held)
