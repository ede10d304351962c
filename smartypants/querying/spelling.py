"""Corrects words that no readable document has, to ones that documents have."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Sequence

from smartypants.querying.vocabulary import Vocabulary, folded
from smartypants.terms import terms

MAX_CHECKED = 6
"""Unknown words of a query that are looked at."""
ONE_EDIT, TWO_EDITS = 5, 9
"""Letters from which a word may be one edit off, and two."""

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def correct(
    text: str,
    vocabulary: Vocabulary,
    *,
    acl_ids: Sequence[int],
    indexed: Callable[[str], bool],
    common: Container[str] = (),
    keep: Sequence[str] = (),
) -> tuple[str, dict[str, str]]:
    """The text with its misspelt words corrected, and which became which.

    A word is misspelt if no readable document has it, or its stem, and one has a word one or two
    edits away. `indexed` says what documents have now, whatever the vocabulary's age. `common`
    words are right whether documents have them or not, and so are those of the phrases `keep`.
    """
    allowed = frozenset(acl_ids)
    kept = {word for phrase in keep for word in folded(phrase).split()}
    wrong: dict[str, str] = {}
    checked = 0
    for match in _WORD.finditer(text):
        word = match[0]
        plain = folded(word)
        if plain in wrong or plain in kept or plain in common or not _correctable(word):
            continue
        if vocabulary.readable(plain, allowed):
            continue
        checked += 1
        if checked > MAX_CHECKED:
            break
        if indexed(plain):
            continue
        better = nearest(plain, vocabulary, allowed)
        if better is not None and indexed(better):
            wrong[plain] = better
    if not wrong:
        return text, {}
    return _WORD.sub(lambda found: wrong.get(folded(found[0]), found[0]), text), wrong


def nearest(word: str, vocabulary: Vocabulary, allowed: frozenset[int]) -> str | None:
    """The readable word with the fewest edits; of several the one with the same first letter,
    then the one that is most frequent in readable documents, then by the alphabet: the order in
    which documents came says something of those that are not readable.

    An edit inserts, deletes or replaces a letter, or swaps two neighbours (optimal string
    alignment distance).
    """
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    most = 2 if len(word) >= TWO_EDITS else 1
    best: tuple[float, bool, int, str] | None = None
    for length in range(len(word) - most, len(word) + most + 1):
        near = process.extract(
            word,
            vocabulary.by_length.get(length, ()),
            scorer=OSA.distance,
            score_cutoff=most,
            limit=None,
        )
        for other, distance, _ in near:
            if not vocabulary.readable(other, allowed):
                continue
            often = vocabulary.frequency(other, allowed)
            rank = (distance, other[0] != word[0], -often, other)
            if best is None or rank < best:
                best = rank
    return None if best is None else best[3]


def _correctable(word: str) -> bool:
    """Words of letters alone that are long enough, and neither abbreviations, as `HTTP` and
    `PtdIns` are, nor stop words."""
    plain = word.isalpha() and word[1:] == word[1:].lower()
    return len(word) >= ONE_EDIT and plain and bool(terms(word))
