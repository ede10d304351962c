"""Documents on their way through the pipeline, from their being fed to their last receipt."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
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
    """A document on its way; `deaths` of the pipeline have it begun anew."""

    work: Work
    arrived: int = 0
    embedded: int = 0
    deaths: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


class Flights:
    """What is on its way, each document once, and how many bytes that is.

    >>> flights = Flights()
    >>> work = flights.take_off(work)
    >>> finished = flights.arrived(Part(work, unchanged=True))
    """

    def __init__(self) -> None:
        self._flying: dict[str, Flight] = {}
        self._tickets = itertools.count(1)
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._flying)

    def __iter__(self) -> Iterator[Flight]:
        """Each, while some of them land."""
        return iter(list(self._flying.values()))

    def take_off(self, work: Work) -> Work:
        """The work with a ticket: parts of an earlier way of the document count no more."""
        document_id = work.ref.document_id
        former = self._flying.get(document_id)
        if former is not None:  # of a job that was stopped, or of a pipeline that died
            self.land(former.work)
        work = replace(work, ticket=next(self._tickets))
        self._flying[document_id] = Flight(work, deaths=former.deaths if former else 0)
        self.bytes += work.ref.size
        return work

    def land(self, work: Work) -> None:
        flight = self._flying.pop(work.ref.document_id)
        self.bytes -= flight.work.ref.size

    def clear(self) -> None:
        self._flying.clear()
        self.bytes = 0

    def arrived(self, part: Part) -> Finished | None:
        """The document, if this was its last part."""
        document_id = part.work.ref.document_id
        flight = self._flying.get(document_id)
        if flight is None or flight.work.ticket != part.work.ticket:
            return None
        flight.arrived += 1
        flight.embedded += part.embedded
        for stage, seconds in part.seconds.items():
            flight.seconds[stage] = flight.seconds.get(stage, 0.0) + seconds
        if part.failed is None and not part.unchanged and flight.arrived < part.parts:
            return None
        self.land(flight.work)
        indexed = None
        if part.failed is None and not part.unchanged:
            indexed = Indexed(
                document_id,
                part.version,
                part.title,
                part.chunk_count,
                part.parsed,
                acl_id=flight.work.acl_id,
                contents=part.contents,
                etag=part.work.ref.etag,
            )
        return Finished(flight.work, indexed, part.failed, flight.embedded, flight.seconds)
