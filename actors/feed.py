"""Which document comes next when several runs of jobs share one pipeline."""

from __future__ import annotations

from collections.abc import Iterator

from actors.work import Work

DOCUMENT_COST = 32 * 1024
"""Bytes that a document costs besides its own: opening, parsing, committing."""


class Feed:
    """Interleaves the work of runs by their shares (stride scheduling: Waldspurger, Weihl 1995).

    Each run has a clock that its documents move on, by their size over the run's weight; the
    one whose clock is furthest behind is next. One that comes late starts at the clock of the
    others: it neither catches up with them nor waits for them.

    >>> feed = Feed()
    >>> feed.add("a-huge-job", iter(works), weight=1.0)
    >>> feed.next()
    """

    def __init__(self) -> None:
        self._runs: dict[str, tuple[Iterator[Work], float]] = {}
        self._clocks: dict[str, float] = {}
        self._again: list[Work] = []

    def add(self, run: str, works: Iterator[Work], *, weight: float) -> None:
        self._clocks[run] = min(self._clocks.values(), default=0.0)
        self._runs[run] = (works, weight)

    def discard(self, run: str) -> None:
        self._runs.pop(run, None)
        self._clocks.pop(run, None)
        self._again = [work for work in self._again if work.run != run]

    def put_back(self, works: list[Work]) -> None:
        """Work that was taken and has to be done again comes before all other."""
        self._again += works

    def next(self) -> Work | None:
        """The next document, taken from its run; None where no run has any left."""
        if self._again:
            return self._again.pop(0)
        while self._clocks:
            run = min(self._clocks, key=self._clocks.__getitem__)
            works, weight = self._runs[run]
            work = next(works, None)
            if work is not None:
                self._clocks[run] += (DOCUMENT_COST + work.ref.size) / weight
                return work
            del self._clocks[run]
        return None
