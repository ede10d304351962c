"""Chooses and orders the passages of a prompt."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from smartypants.particulars import numbers
from smartypants.types import SearchHit

CountTokens = Callable[[str], int]

SAME = 0.8
"""A passage says nothing new if so large a share of its runs of words stands in a better one."""

_RUN = 3
_WORD = re.compile(r"\w+")
_BYTES_PER_TOKEN = 3
_FRAME_TOKENS = 8
"""What stands between passages."""


def estimated_tokens(text: str) -> int:
    """From above, for a model whose tokenizer is not at hand."""
    return len(text.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN


def pack(
    hits: Sequence[SearchHit], *, budget: int, count_tokens: CountTokens = estimated_tokens
) -> list[SearchHit]:
    """The best hits whose passages fit in `budget` tokens, at least one, best first.

    One that says the same as a better one is left out; one that differs in a number never is.
    """
    packed: list[SearchHit] = []
    held: list[tuple[frozenset[tuple[str, ...]], frozenset[str]]] = []
    used = 0
    for hit in hits:
        text = hit.chunk.text
        runs, mentioned = _runs(text), numbers(text)
        if any(mentioned <= theirs and _inside(runs, other) for other, theirs in held):
            continue
        cost = count_tokens(hit.chunk.searched_text) + _FRAME_TOKENS
        if packed and used + cost > budget:
            continue
        held.append((runs, mentioned))
        packed.append(hit)
        used += cost
    return packed


def best_at_the_ends(hits: Sequence[SearchHit]) -> list[SearchHit]:
    """Hits, best first, in the order of a prompt: the best last, next to the question, the
    second first, and so on inwards.

    Models use the ends of a long context best (Liu et al., Lost in the Middle, TACL 2024).
    """
    return [*hits[1::2], *hits[0::2][::-1]]


def _runs(text: str) -> frozenset[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    if len(words) < _RUN:
        return frozenset({tuple(words)})
    return frozenset(tuple(words[i : i + _RUN]) for i in range(len(words) - _RUN + 1))


def _inside(runs: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> bool:
    return len(runs & other) >= SAME * len(runs)
