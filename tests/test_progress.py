"""What a heartbeat carries."""

from __future__ import annotations

import json
import time

from smartypants.progress import Progress


def test_before_any_work() -> None:
    shown = Progress().as_dict()
    assert (shown["phase"], shown["done"], shown["eta_s"], shown["chunks_per_s"]) == (
        "discovering",
        0,
        None,
        0.0,
    )
    json.dumps(shown)


def test_rate_and_time_left() -> None:
    progress = Progress(documents=40, indexed=8, failed=2, chunks=100)
    progress.working_since = time.monotonic() - 10
    shown = progress.as_dict()
    assert shown["done"] == 10
    assert 5 < shown["chunks_per_s"] <= 10
    assert 30 <= shown["eta_s"] < 60


def test_nothing_left() -> None:
    progress = Progress(documents=3, indexed=3, working_since=time.monotonic() - 1)
    progress.enter("done")
    assert (progress.as_dict()["eta_s"], progress.as_dict()["phase"]) == (None, "done")


def test_seconds_add_up() -> None:
    progress = Progress()
    progress.add_seconds({"parse": 1.0, "embed": 0.5})
    progress.add_seconds({"parse": 0.25})
    assert progress.as_dict()["seconds"] == {"parse": 1.25, "embed": 0.5}


def test_resumed_adds_what_earlier_runs_did() -> None:
    first = Progress(documents=10, indexed=4, failed=1, unchanged=2, deleted=1, chunks=40)
    first.embedded = 35
    first.add_seconds({"embed": 2.0})
    first.started -= 100
    second = Progress.resumed(json.loads(json.dumps(first.as_dict())))
    assert not second.advanced
    second.documents = 5
    second.begin_indexing()
    second.indexed, second.chunks, second.embedded = 2, 8, 8
    second.add_seconds({"embed": 0.5, "write": 1.0})
    shown = second.as_dict()
    assert second.advanced
    assert (shown["documents"], shown["done"]) == (10, 7)
    assert (shown["indexed"], shown["failed"], shown["unchanged"]) == (6, 1, 2)
    assert (shown["deleted"], shown["chunks"], shown["embedded"]) == (1, 48, 43)
    assert shown["seconds"] == {"embed": 2.5, "write": 1.0}
    assert shown["elapsed_s"] >= 100
    third = Progress.resumed(shown).as_dict()
    kept = ("indexed", "failed", "unchanged", "deleted", "chunks", "embedded", "seconds")
    assert {name: third[name] for name in kept} == {name: shown[name] for name in kept}


def test_rate_is_that_of_the_present_run() -> None:
    resumed = Progress.resumed(Progress(documents=900, indexed=900, chunks=9000).as_dict())
    resumed.documents, resumed.indexed, resumed.chunks = 20, 10, 100
    resumed.working_since = time.monotonic() - 10
    shown = resumed.as_dict()
    assert 5 < shown["chunks_per_s"] <= 10
    assert 5 < shown["eta_s"] < 30


def test_resumed_from_nothing() -> None:
    shown = Progress.resumed({}).as_dict()
    assert (shown["documents"], shown["done"], shown["chunks"]) == (0, 0, 0)
    assert Progress.resumed({"phase": "indexing"}).phase == "discovering"


def test_unchanged_documents_are_progress_too() -> None:
    assert not Progress(documents=3).advanced
    assert Progress(unchanged=1).advanced
    assert Progress(failed=1).advanced
