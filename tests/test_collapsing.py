"""Near-duplicates, compared with the plain comparison of all pairs."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from smartypants.collapsing import SAME, collapse, shingles
from smartypants.diversifying import diversify
from smartypants.types import SearchHit
from tests.hits import hit


def hits(*texts: str) -> list[SearchHit]:
    found = [hit(text, f"d{number}") for number, text in enumerate(texts)]
    return [replace(one, score=1.0 - number / 100) for number, one in enumerate(found)]


def test_case_accents_and_punctuation_do_not_count() -> None:
    found = collapse(hits("The Café is open.", "the cafe... is OPEN", "The café is closed."), 9)
    assert [(one.chunk.document_id, one.copies) for one in found] == [("d0", 1), ("d2", 0)]


def test_texts_without_words() -> None:
    found = collapse(hits("—", "…", "—", ""), 9)
    assert [one.copies for one in found] == [1, 0, 0]


def by_all_pairs(given: list[SearchHit]) -> list[tuple[str, int]]:
    kept: list[list[object]] = []
    for one in given:
        mine = shingles(one.chunk.text)
        for entry in kept:
            other = entry[0]
            assert isinstance(other, frozenset)
            if len(mine & other) / len(mine | other) >= SAME:
                entry[2] = int(str(entry[2])) + 1
                break
        else:
            kept.append([mine, one.chunk.document_id, 0])
    return [(str(name), int(str(copies))) for _, name, copies in kept]


WORDS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=60)


@given(WORDS, st.lists(st.tuples(st.integers(0, 59), st.sampled_from("abxyz")), max_size=12))
def test_finds_the_same_as_comparing_all(words: list[str], changes: list[tuple[int, str]]) -> None:
    texts = [" ".join(words)]
    for place, word in changes:
        words = [*words[: place % len(words)], word, *words[place % len(words) + 1 :]]
        texts.append(" ".join(words))
    given_hits = hits(*texts)
    found = [(one.chunk.document_id, one.copies) for one in collapse(given_hits, 99)]
    assert found == by_all_pairs(given_hits)


def test_diversity_by_hand() -> None:
    three = hits("harbour fee due", "harbour fee due", "winter hours")
    # Relevance 1, 0.5, 0; the second resembles the first by 1, the third by 0.
    assert [one.chunk.document_id for one in diversify(three, diversity=0.3, limit=2)] == [
        "d0",
        "d1",
    ]
    chosen = diversify(three, diversity=0.5, limit=3)
    assert [one.chunk.document_id for one in chosen] == ["d0", "d2", "d1"]
    assert [one.explanation["mmr"] for one in chosen] == [0.5, 0.0, -0.25]


@given(st.lists(WORDS.map(" ".join), max_size=12), st.floats(0, 1), st.integers(0, 15))
def test_diversity_keeps_hits(texts: list[str], diversity: float, limit: int) -> None:
    given_hits = hits(*texts)
    chosen = diversify(given_hits, diversity=diversity, limit=limit)
    names = [one.chunk.document_id for one in chosen]
    assert len(names) == len(set(names)) == min(limit, len(texts))
    if diversity == 0:
        assert chosen == given_hits[:limit]


def test_ends_where_enough_are_kept() -> None:
    found = collapse(hits("one thing", "one thing", "another thing", "a third", "one thing"), 2)
    assert [(one.chunk.document_id, one.copies) for one in found] == [("d0", 1), ("d2", 0)]
