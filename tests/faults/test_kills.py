"""A short run of the fault harness: each part of a real system is killed once, with SIGKILL."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import _faults, chaos

pytestmark = [pytest.mark.ray, pytest.mark.integration, pytest.mark.e2e]


@pytest.mark.timeout(1500)
def test_nothing_is_lost_whatever_is_killed(tmp_path: Path) -> None:
    rounds = list(chaos.run(tmp_path, documents=80, rounds=len(_faults.TARGETS), seed=7))
    assert {item.target for item in rounds} == {target.name for target in _faults.TARGETS}
    for item in rounds:
        assert item.ok, item
        assert item.reembedded <= chaos.BATCH_CHUNKS, item
