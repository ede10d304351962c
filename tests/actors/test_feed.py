"""Which document comes next when jobs share a pipeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from actors.feed import DOCUMENT_COST, Feed
from actors.work import SourceSpec, Work
from smartypants.types import DocumentRef

SPEC = SourceSpec("filesystem", "docs", "/docs")


def work(run: str, number: int = 0, *, size: int = 0) -> Work:
    ref = DocumentRef("source", f"{run}/{number}", f"{run}-{number}", "1", size=size)
    return Work(SPEC, "physical", ref, 1, None, run=run)


def works(run: str, count: int, *, size: int = 0) -> Iterator[Work]:
    return (work(run, number, size=size) for number in range(count))


def take(feed: Feed, count: int) -> list[str]:
    """The runs of the next documents."""
    taken = [feed.next() for _ in range(count)]
    return [item.run for item in taken if item is not None]


def test_nothing() -> None:
    feed = Feed()
    assert feed.next() is None
    feed.add("a", iter(()), weight=1.0)
    assert feed.next() is None
    feed.discard("nobody")


def test_one_job_in_its_own_order() -> None:
    feed = Feed()
    feed.add("a", works("a", 3), weight=1.0)
    taken = [feed.next() for _ in range(4)]
    assert [item.ref.name if item else None for item in taken] == ["a-0", "a-1", "a-2", None]


def test_a_small_job_is_not_starved_by_a_huge_one() -> None:
    feed = Feed()
    feed.add("huge", works("huge", 100_000), weight=1.0)
    assert take(feed, 5_000) == ["huge"] * 5_000
    feed.add("small", works("small", 10), weight=1.0)
    assert Counter(take(feed, 20)) == {"huge": 10, "small": 10}
    assert take(feed, 50) == ["huge"] * 50


def test_latecomer_does_not_catch_up() -> None:
    feed = Feed()
    feed.add("first", works("first", 1000), weight=1.0)
    take(feed, 500)
    feed.add("late", works("late", 1000), weight=1.0)
    for _ in range(10):
        assert Counter(take(feed, 20)) == {"first": 10, "late": 10}


def test_equal_jobs_alternate() -> None:
    feed = Feed()
    for run in "abc":
        feed.add(run, works(run, 50), weight=1.0)
    for _ in range(50):
        assert sorted(take(feed, 3)) == ["a", "b", "c"]


def test_weights_are_shares() -> None:
    feed = Feed()
    feed.add("double", works("double", 1000), weight=2.0)
    feed.add("single", works("single", 1000), weight=1.0)
    feed.add("half", works("half", 1000), weight=0.5)
    counts = Counter(take(feed, 700))
    assert abs(counts["double"] - 400) <= 2
    assert abs(counts["single"] - 200) <= 2
    assert abs(counts["half"] - 100) <= 2


def test_big_documents_use_up_a_share() -> None:
    feed = Feed()
    feed.add("big", works("big", 1000, size=9 * DOCUMENT_COST), weight=1.0)
    feed.add("tiny", works("tiny", 1000), weight=1.0)
    counts = Counter(take(feed, 110))
    assert abs(counts["big"] - 10) <= 1


def test_shares_of_a_job_that_ends_go_to_the_others() -> None:
    feed = Feed()
    feed.add("a", works("a", 5), weight=1.0)
    feed.add("b", works("b", 50), weight=1.0)
    assert Counter(take(feed, 60)) == {"a": 5, "b": 50}
    assert feed.next() is None
    feed.add("c", works("c", 2), weight=1.0)
    assert take(feed, 3) == ["c", "c"]


def test_iterators_are_not_read_ahead() -> None:
    read: list[int] = []

    def lazy() -> Iterator[Work]:
        for number in range(10):
            read.append(number)
            yield work("a", number)

    feed = Feed()
    feed.add("a", lazy(), weight=1.0)
    assert read == []
    take(feed, 3)
    assert read == [0, 1, 2]


def test_what_is_put_back_comes_first() -> None:
    feed = Feed()
    feed.add("a", works("a", 4), weight=1.0)
    lost = [item for item in (feed.next(), feed.next()) if item is not None]
    feed.put_back(lost)
    names = [item.ref.name for item in (feed.next() for _ in range(4)) if item is not None]
    assert names == ["a-0", "a-1", "a-2", "a-3"]
    feed.put_back(lost[:1])  # also when all of the job was taken
    assert feed.next() == lost[0]
    assert feed.next() is None


def test_discarded_jobs_are_gone() -> None:
    feed = Feed()
    feed.add("a", works("a", 10), weight=1.0)
    feed.add("b", works("b", 3), weight=1.0)
    feed.put_back([work("a", 99), work("b", 99)])
    feed.discard("a")
    taken = [feed.next() for _ in range(5)]
    assert [item.ref.name if item else None for item in taken] == [
        "b-99", "b-0", "b-1", "b-2", None,
    ]  # fmt: skip
    feed.discard("a")


def test_a_job_that_comes_again_starts_level() -> None:
    feed = Feed()
    feed.add("a", works("a", 200), weight=1.0)
    feed.add("b", works("b", 200), weight=1.0)
    take(feed, 100)
    feed.discard("a")
    take(feed, 50)
    feed.add("a", works("a", 100), weight=1.0)
    assert Counter(take(feed, 20)) == {"a": 10, "b": 10}
