"""Searches made together find what each finds alone, and fail alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from smartypants.errors import VectorStoreUnavailable
from smartypants.protocols import Vectors
from smartypants.searching import Scope, together
from smartypants.types import Candidate, Chunk, Filters

BADGERS = Scope("badgers__m__v1", 5, (1, 2), Filters())
FERRIES = Scope("ferries__m__v1", 5, (1, 2), Filters())


class Store:
    """Finds, for each text, a chunk that says what was asked, where and for whom."""

    def __init__(self, broken: str = "") -> None:
        self.calls: list[tuple[str, list[str]]] = []
        self._broken = broken

    def lexical(
        self,
        physical: str,
        texts: Sequence[str],
        *,
        limit: int,
        acl_ids: Sequence[int],
        filters: Filters,
    ) -> list[list[Candidate]]:
        self.calls.append((physical, list(texts)))
        if physical == self._broken:
            raise VectorStoreUnavailable("It restarts.")
        return [[Candidate(Chunk("d", "v", 0, f"{t} {list(acl_ids)}", 0, 1), 1.0)] for t in texts]

    def dense(
        self,
        physical: str,
        vectors: Vectors,
        *,
        limit: int,
        acl_ids: Sequence[int],
        filters: Filters,
    ) -> list[list[Candidate]]:
        assert vectors.shape == (len(vectors), 2)
        return self.lexical(
            physical, [str(v[0]) for v in vectors], limit=limit, acl_ids=acl_ids, filters=filters
        )


def test_each_finds_its_own_by_one_call_a_scope() -> None:
    store = Store()
    others = Scope(BADGERS.physical, 5, (3,), Filters())
    asked = [(BADGERS, "a"), (FERRIES, "b"), (others, "c"), (BADGERS, "d")]
    found = together(store.lexical, asked, list)
    texts = [ranked[0].chunk.text for ranked in found if isinstance(ranked, list)]
    assert texts == ["a [1, 2]", "b [1, 2]", "c [3]", "d [1, 2]"]
    assert store.calls == [
        (BADGERS.physical, ["a", "d"]),
        (FERRIES.physical, ["b"]),
        (BADGERS.physical, ["c"]),
    ]


def test_vectors_are_stacked() -> None:
    asked = [(BADGERS, np.array([number, 0.0], dtype=np.float32)) for number in (7, 8)]
    found = together(Store().dense, asked, np.stack)
    assert [r[0].chunk.text for r in found if isinstance(r, list)] == ["7.0 [1, 2]", "8.0 [1, 2]"]


def test_what_fails_fails_its_own_scope_alone() -> None:
    store = Store(broken=FERRIES.physical)
    found = together(store.lexical, [(FERRIES, "a"), (BADGERS, "b"), (FERRIES, "c")], list)
    kinds = [isinstance(each, VectorStoreUnavailable) for each in found]
    assert kinds == [True, False, True]
