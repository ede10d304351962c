"""Passages that say the same are shown once: the best of them, with how many it stands for."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import replace

from smartypants.querying.vocabulary import folded
from smartypants.types import SearchHit

SAME = 0.9
SHINGLE = 3
"""Words."""

_WORD = re.compile(r"\w+")


def collapse(hits: Iterable[SearchHit], limit: int) -> list[SearchHit]:
    """The first `limit` hits without those that nearly repeat a better one.

    Two passages say the same if their sets of runs of three folded words overlap by 90 %
    (Jaccard; Broder 1997). To find such sets without comparing all: in any fixed order of their
    members, sets that overlap by a share s have one of their first n - ⌈s·n⌉ + 1 members in
    common (prefix filter: Chaudhuri, Ganti & Kaushik, ICDE 2006).
    """
    kept: list[SearchHit] = []
    sets: list[frozenset[int]] = []
    by_member: dict[int, list[int]] = {}
    for hit in hits:
        mine = shingles(hit.chunk.text)
        first = sorted(mine)[: len(mine) - _ceil(SAME * len(mine)) + 1]
        near = {number for member in first for number in by_member.get(member, ())}
        same = next((n for n in sorted(near) if _overlap(mine, sets[n]) >= SAME), None)
        if same is not None:
            kept[same] = replace(kept[same], copies=kept[same].copies + 1)
            continue
        if len(kept) == limit:
            break
        for member in first:
            by_member.setdefault(member, []).append(len(kept))
        kept.append(hit)
        sets.append(mine)
    return kept


def shingles(text: str) -> frozenset[int]:
    """Hashes of each three words in a row; of a shorter text, or one without words, of all."""
    words = _WORD.findall(folded(text)) or [text]
    runs = range(max(len(words) - SHINGLE + 1, 1))
    return frozenset(_hash(" ".join(words[at : at + SHINGLE])) for at in runs)


def _hash(run: str) -> int:
    """The same in every process, so that results are, too; few of one passage's collide."""
    return zlib.crc32(run.encode("utf-8", "surrogatepass"))


def _overlap(one: frozenset[int], other: frozenset[int]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common)


def _ceil(value: float) -> int:
    return -int(-value // 1)
