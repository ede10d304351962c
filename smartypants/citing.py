"""Aligns the sentences of an answer with the passages that support them.

It does not rely on the model: whatever brackets the model writes are dropped, and a sentence
gets a citation if, and only if, a passage carries enough of its content. Measured by words, so
that it costs no model call while an answer streams.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from smartypants.outline import outline
from smartypants.particulars import negated, numbers
from smartypants.sentences import spans
from smartypants.terms import terms
from smartypants.types import Citation, Delta, SearchHit

MAX_WINDOW = 3
"""Sentences that one citation may span."""

MIN_TERMS = 3
"""A sentence with fewer content words says too little to be supported."""

_SENTENCE_END = re.compile(r"[.!?][\"')\]”’]*\s+|\n")
_BRACKETS = re.compile(r"[ \t]*\[\d+(?:\s*[,;–-]\s*\d+)*\]")
_OPEN_BRACKET = re.compile(r"[ \t]*(?:\[[\d,;–\s-]*)?$")


@dataclass(frozen=True, slots=True)
class _Window:
    """Consecutive sentences of a passage."""

    hit: int
    start: int
    end: int
    terms: frozenset[str]
    numbers: frozenset[str]
    negated: bool


class Aligner:
    """Finds the shortest run of sentences that supports a sentence best.

    Support is the share of the sentence's terms that the run carries, each weighted by its
    rarity among the passages (idf). A number that is missing, or a negation on one side only,
    means no support.
    """

    def __init__(self, hits: Sequence[SearchHit], *, min_support: float) -> None:
        self._hits = hits
        self._min_support = min_support
        self._windows = [w for number, hit in enumerate(hits) for w in _windows(number, hit)]
        sets = [frozenset(terms(hit.chunk.searched_text).split()) for hit in hits]
        every = frozenset().union(*sets)
        self._idf = {t: math.log(1 + len(sets) / sum(t in s for s in sets)) for t in every}
        self._unknown = math.log(1 + len(sets)) if sets else 1.0

    def support(self, sentence: str) -> Citation | None:
        """A citation, its number still 0, or None if no passage supports the sentence."""
        wanted = set(terms(sentence).split())
        if len(wanted) < MIN_TERMS:
            return None
        mentioned, negation = numbers(sentence), negated(sentence)
        total = sum(self._weight(term) for term in wanted)
        best: _Window | None = None
        best_rank = (0.0, 0)
        for window in self._windows:
            if not mentioned <= window.numbers or negation != window.negated:
                continue
            score = sum(self._weight(term) for term in wanted & window.terms) / total
            rank = (round(score, 3), window.start - window.end)
            if score >= self._min_support and rank > best_rank:
                best, best_rank = window, rank
        if best is None:
            return None
        return self._citation(best, best_rank[0])

    def _weight(self, term: str) -> float:
        return self._idf.get(term, self._unknown)

    def _citation(self, window: _Window, support: float) -> Citation:
        hit = self._hits[window.hit]
        return cite(hit, window.start, window.end, number=0, support=support)

    def genuine(self, citation: Citation) -> bool:
        """Whether the citation is text of its document at its place, as a hit holds it."""
        return any(is_text_of(citation, hit) for hit in self._hits)


def cite(hit: SearchHit, start: int, end: int, *, number: int, support: float) -> Citation:
    """A hit's text from `start` to `end`, counted from the hit's beginning."""
    chunk = hit.chunk
    return Citation(
        number=number,
        document_id=chunk.document_id,
        chunk_id=chunk.chunk_id,
        title=hit.title,
        uri=hit.uri,
        section=" > ".join(outline(chunk.text, chunk.above).at(start)),
        page=chunk.page,
        passage=chunk.text[start:end],
        start=chunk.start + start,
        end=chunk.start + end,
        support=support,
    )


def is_text_of(citation: Citation, hit: SearchHit) -> bool:
    """Whether the document, as this hit holds it, has the cited passage at the cited place."""
    chunk = hit.chunk
    if (citation.document_id, citation.chunk_id) != (chunk.document_id, chunk.chunk_id):
        return False
    start, end = citation.start - chunk.start, citation.end - chunk.start
    return 0 <= start < end <= len(chunk.text) and chunk.text[start:end] == citation.passage


class CitationStream:
    """Passes generated text through, and puts `[n]` behind each sentence that is supported.

    Numbers follow the order in which passages are first cited.
    """

    def __init__(self, aligner: Aligner) -> None:
        self._aligner = aligner
        self._held = ""  # text that may yet turn out to be a bracket of the model's
        self._sentence = ""  # what has been passed on of the present sentence
        self._numbers: dict[str, int] = {}
        self.citations: list[Citation] = []
        self.text = ""
        self.sentences = 0
        self.supported = 0

    def feed(self, piece: str) -> Iterator[Delta | Citation]:
        """Text and citations that a piece of generated text completes."""
        self._held = _BRACKETS.sub("", self._held + piece)
        open_bracket = _OPEN_BRACKET.search(self._held)
        cut = open_bracket.start() if open_bracket else len(self._held)
        ready, self._held = self._held[:cut], self._held[cut:]
        yield from self._pass(ready)

    def finish(self) -> Iterator[Delta | Citation]:
        """What is still held back, and the last sentence's citation."""
        ready, self._held = self._held.rstrip(), ""
        yield from self._pass(ready)
        yield from self._close()

    def _pass(self, ready: str) -> Iterator[Delta | Citation]:
        while match := _SENTENCE_END.search(self._sentence + ready):
            cut = match.end() - len(self._sentence)
            gap = match[0][len(match[0].rstrip()) :]
            body = ready[: max(cut - len(gap), 0)]
            yield from self._emit(body)
            yield from self._close()
            yield from self._emit(gap, counts=False)
            ready = ready[cut:]
        yield from self._emit(ready)

    def _emit(self, text: str, *, counts: bool = True) -> Iterator[Delta]:
        if text:
            self.text += text
            if counts:
                self._sentence += text
            yield Delta(text)

    def _close(self) -> Iterator[Delta | Citation]:
        sentence, self._sentence = self._sentence.strip(), ""
        if not terms(sentence):
            return
        self.sentences += 1
        citation = self._aligner.support(sentence)
        if citation is None or not self._aligner.genuine(citation):
            return
        self.supported += 1
        key = f"{citation.chunk_id}:{citation.start}:{citation.end}"
        number = self._numbers.setdefault(key, len(self._numbers) + 1)
        yield from self._emit(f" [{number}]", counts=False)
        if number > len(self.citations):
            numbered = replace(citation, number=number)
            self.citations.append(numbered)
            yield numbered


def _windows(number: int, hit: SearchHit) -> Iterator[_Window]:
    text = hit.chunk.text
    found = spans(text)
    for first in range(len(found)):
        for last in range(first, min(first + MAX_WINDOW, len(found))):
            start, end = found[first][0], found[last][1]
            passage = text[start:end]
            yield _Window(
                number,
                start,
                end,
                # The headings above a passage are part of what it says.
                frozenset(terms(f"{hit.chunk.context} {passage}").split()),
                numbers(passage),
                negated(passage),
            )
