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
