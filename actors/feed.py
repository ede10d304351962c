"""Which document comes next when several jobs share one pipeline."""

from __future__ import annotations

from collections.abc import Iterator

from actors.work import Work

DOCUMENT_COST = 32 * 1024
"""Bytes that a document costs besides its own: opening, parsing, committing."""


class Feed:
    """Interleaves the work of jobs by their shares (stride scheduling: Waldspurger, Weihl 1995).

    Each job has a clock that its documents move on, by their size over the job's weight; the
    job whose clock is furthest behind is next. A job that comes late starts at the clock of the
    others: it neither catches up with them nor waits for them.

    >>> feed = Feed()
    >>> feed.add("a-huge-job", iter(works), weight=1.0)
    >>> feed.next()
    """

    def __init__(self) -> None:
        self._jobs: dict[str, tuple[Iterator[Work], float]] = {}
        self._clocks: dict[str, float] = {}
        self._again: list[Work] = []

    def add(self, job_id: str, works: Iterator[Work], *, weight: float) -> None:
        self._clocks[job_id] = min(self._clocks.values(), default=0.0)
        self._jobs[job_id] = (works, weight)

    def discard(self, job_id: str) -> None:
        self._jobs.pop(job_id, None)
        self._clocks.pop(job_id, None)
        self._again = [work for work in self._again if work.job_id != job_id]

    def put_back(self, works: list[Work]) -> None:
        """Work that was taken and has to be done again comes before all other."""
        self._again += works

    def next(self) -> Work | None:
        """The next document, taken from its job; None where no job has any left."""
        if self._again:
            return self._again.pop(0)
        while self._clocks:
            job_id = min(self._clocks, key=self._clocks.__getitem__)
            works, weight = self._jobs[job_id]
            work = next(works, None)
            if work is not None:
                self._clocks[job_id] += (DOCUMENT_COST + work.ref.size) / weight
                return work
            del self._clocks[job_id]
        return None
