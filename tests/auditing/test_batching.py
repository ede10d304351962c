"""What is put is written, in order, whatever happens in between."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from smartypants.batching import BatchWriter
from smartypants.errors import LedgerUnavailable, Overloaded, SetupError


def test_in_order_and_together_where_more_comes_meanwhile() -> None:
    batches: list[list[int]] = []
    writer = BatchWriter[int](lambda items: batches.append(list(items)), name="t", pause_s=0.05)
    for number in range(1000):
        writer.put(number)
    writer.close()
    assert [number for batch in batches for number in batch] == list(range(1000))
    assert len(batches) < 100


def test_whoever_waits_learns_when_it_is_written() -> None:
    kept: list[int] = []
    writer = BatchWriter[int](kept.extend, name="t", pause_s=0.01)
    for number in range(5):
        writer.put(number).result(5)
        assert kept[-1] == number
    writer.close()


def test_a_database_that_is_away_loses_nothing() -> None:
    kept: list[int] = []
    away = threading.Event()
    away.set()

    def write(items: Sequence[int]) -> None:
        if away.is_set():
            raise LedgerUnavailable("away")
        kept.extend(items)

    writer = BatchWriter[int](write, name="t", pause_s=0.01)
    first = writer.put(1)
    time.sleep(0.1)
    writer.put(2)
    assert not first.done()
    away.clear()
    first.result(5)
    writer.close()
    assert kept == [1, 2]


def test_what_can_never_be_written_is_told() -> None:
    def write(items: Sequence[int]) -> None:
        if 13 in items:
            raise SetupError("no")

    writer = BatchWriter[int](write, name="t", pause_s=0.0)
    assert isinstance(writer.put(13).exception(5), SetupError)
    assert writer.put(14).exception(5) is None
    writer.close()


def test_too_much_is_refused_and_not_dropped() -> None:
    kept: list[int] = []
    go = threading.Event()

    def write(items: Sequence[int]) -> None:
        go.wait(5)
        kept.extend(items)

    writer = BatchWriter[int](write, name="t", most=3, pause_s=0.0)
    writer.put(0)
    time.sleep(0.05)  # it is being written now
    for number in (1, 2, 3):
        writer.put(number)
    with pytest.raises(Overloaded):
        writer.put(4)
    go.set()
    writer.close()
    assert kept == [0, 1, 2, 3]


def test_it_can_be_used_again_after_it_was_closed() -> None:
    kept: list[int] = []
    writer = BatchWriter[int](kept.extend, name="t")
    writer.put(1)
    writer.close()
    writer.put(2)
    writer.close()
    assert kept == [1, 2]


def test_a_process_that_ends_writes_what_waits(tmp_path: Path) -> None:
    program = f"""
import time
from smartypants.batching import BatchWriter

def write(items):
    time.sleep(0.1)
    with open({str(tmp_path / "kept")!r}, "a") as file:
        file.write("".join(f"{{item}}\\n" for item in items))

writer = BatchWriter(write, name="t")
for number in range(50):
    writer.put(number)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    assert (tmp_path / "kept").read_text().split() == [str(number) for number in range(50)]
