"""Documents on their way through the pipeline, from their being fed to their last receipt."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

from actors.work import Part, Work
from smartypants.ledger.commits import Failed, Indexed


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a document: one of `indexed` (its chunks are written), `failed`, neither
    where it was as it was indexed before."""

    work: Work
    indexed: Indexed | None = None
    failed: Failed | None = None
    embedded: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Flight:
    """A document on its way, and what has come of it so far."""

    work: Work
    arrived: int = 0
    embedded: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


class Flights:
    """What is on its way, by ticket, and how many bytes that is.

    A document may be on its way several times: for a job that ingests and one that indexes anew,
    or for a job that was stopped and began again.

    >>> flights = Flights()
    >>> work = flights.take_off(work)
    >>> finished = flights.arrived(Part(work, unchanged=True))
    """

    def __init__(self) -> None:
        self._flying: dict[int, Flight] = {}
        self._tickets = itertools.count(1)
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._flying)

    def take_off(self, work: Work) -> Work:
        """The work with a ticket; only parts with this one count for it."""
        work = replace(work, ticket=next(self._tickets))
        self._flying[work.ticket] = Flight(work)
        self.bytes += work.ref.size
        return work

    def clear(self) -> list[Work]:
        """Forget all: what was on its way."""
        works = [flight.work for flight in self._flying.values()]
        self._flying.clear()
        self.bytes = 0
        return works

    def arrived(self, part: Part) -> Finished | None:
        """The document, if this was its last part."""
        flight = self._flying.get(part.work.ticket)
        if flight is None:
            return None
        flight.arrived += 1
        flight.embedded += part.embedded
        for stage, seconds in part.seconds.items():
            flight.seconds[stage] = flight.seconds.get(stage, 0.0) + seconds
        if part.failed is None and not part.unchanged and flight.arrived < part.parts:
            return None
        del self._flying[part.work.ticket]
        self.bytes -= part.work.ref.size
        indexed = None
        if part.failed is None and not part.unchanged:
            indexed = Indexed(
                part.work.ref.document_id,
                part.version,
                part.title,
                part.chunk_count,
                part.parsed,
                acl_id=flight.work.acl_id,
                contents=part.contents,
                etag=part.work.ref.etag,
            )
        return Finished(flight.work, indexed, part.failed, flight.embedded, flight.seconds)
