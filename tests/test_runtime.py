from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from smartypants import runtime
from smartypants.errors import Conflict, NotRunning
from smartypants.settings import Settings


def test_nothing_runs_at_first(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert runtime.running(settings) is None
    with pytest.raises(NotRunning, match="smartypants up"):
        runtime.require_running(settings)


def test_only_the_holder_of_the_lock_runs(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with runtime.exclusive(settings, "up"):
        announced = runtime.announce(settings)
        assert runtime.running(settings) == announced
        with pytest.raises(Conflict, match="smartypants up"), runtime.exclusive(settings, "ingest"):
            pass
    assert runtime.running(settings) is None


def test_lock_ends_with_its_holder_even_if_killed(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom smartypants import runtime\n"
        "from smartypants.settings import Settings\n"
        "settings = Settings(data_dir=Path(sys.argv[1]))\n"
        "with runtime.exclusive(settings, 'up'):\n"
        "    runtime.announce(settings)\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == "held\n"
        assert runtime.running(settings) is not None
        holder.kill()
        holder.wait()
    assert runtime.running(settings) is None
    with runtime.exclusive(settings, "up"):
        pass


def test_withdrawing_twice_is_fine(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    runtime.announce(settings)
    runtime.withdraw(settings)
    runtime.withdraw(settings)
    assert runtime.running(settings) is None
