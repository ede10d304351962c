"""What is on its way through the pipeline."""

from __future__ import annotations

from dataclasses import replace

from actors.flights import Flights
from actors.work import Part, SourceSpec, Work
from smartypants.ledger.commits import Failed
from smartypants.types import DocumentRef

SPEC = SourceSpec("filesystem", "docs", "/docs")


def work(name: str = "a", *, size: int = 10, run: str = "run") -> Work:
    return Work(
        SPEC, "physical", DocumentRef("source", name, name, "1", size=size), 1, None, run=run
    )


def test_a_document_is_finished_with_its_last_part() -> None:
    flights = Flights()
    flying = flights.take_off(work())
    parts = [
        Part(flying, "v", "A", part=n, parts=3, chunk_count=5, embedded=n, seconds={"embed": 1.0})
        for n in range(3)
    ]
    assert [flights.arrived(part) for part in parts[:2]] == [None, None]
    assert (len(flights), flights.bytes) == (1, 10)
    finished = flights.arrived(parts[2])
    assert finished is not None
    assert finished.indexed is not None
    assert (finished.indexed.version, finished.indexed.chunk_count) == ("v", 5)
    assert (finished.embedded, finished.seconds) == (3, {"embed": 3.0})
    assert (len(flights), flights.bytes) == (0, 0)


def test_the_first_failure_finishes_it() -> None:
    flights = Flights()
    flying = flights.take_off(work())
    failed = Failed(flying.ref.document_id, "code", "why", retryable=False)
    finished = flights.arrived(Part(flying, parts=3, failed=failed))
    assert finished is not None
    assert (finished.indexed, finished.failed) == (None, failed)
    assert flights.arrived(Part(flying, part=1, parts=3)) is None


def test_a_document_is_on_its_way_for_two_runs() -> None:
    """Each gets it once: a job that waits for a document of another's waits for ever."""
    flights = Flights()
    first, second = flights.take_off(work(run="first")), flights.take_off(work(run="second"))
    assert (len(flights), flights.bytes) == (2, 20)
    for flying in (second, first):
        finished = flights.arrived(Part(flying, "v"))
        assert finished is not None
        assert finished.work.run == flying.run
        assert flights.arrived(Part(flying, "v")) is None
    assert flights.bytes == 0


def test_what_was_on_its_way_is_given_back() -> None:
    flights = Flights()
    flying = [flights.take_off(work(name)) for name in "ab"]
    assert flights.clear() == flying
    assert (len(flights), flights.bytes) == (0, 0)
    again = flights.take_off(replace(flying[0], deaths=1))
    assert flights.arrived(Part(flying[0], "v")) is None, "a part from before the death counted"
    finished = flights.arrived(Part(again, "v"))
    assert finished is not None
    assert finished.work.deaths == 1
