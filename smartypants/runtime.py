"""Which process runs the system on this machine, and where it answers."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from smartypants.errors import Conflict, NotRunning
from smartypants.settings import Settings


@dataclass(frozen=True, slots=True)
class Runtime:
    """What `smartypants up` leaves for the other commands to find."""

    pid: int
    url: str
    started_at: float


@contextmanager
def exclusive(settings: Settings, purpose: str) -> Iterator[None]:
    """Hold the data directory: its embedded stores belong to one process at a time.

    Raises `Conflict` if another process holds it. The kernel lets go when a holder dies.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with (settings.data_dir / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            file.seek(0)
            raise Conflict(
                f"{settings.data_dir} is in use by {file.read().strip() or 'another process'}.",
                "Use it through that system, or set another data_dir.",
            ) from exc
        file.truncate(0)
        file.write(f"`smartypants {purpose}` (process {os.getpid()})")
        file.flush()
        yield


def announce(settings: Settings) -> Runtime:
    """Write down that this process runs the system."""
    runtime = Runtime(os.getpid(), url(settings), time.time())
    _file(settings).write_text(json.dumps(asdict(runtime)))
    return runtime


def withdraw(settings: Settings) -> None:
    """Take the announcement back; idempotent."""
    _file(settings).unlink(missing_ok=True)


def running(settings: Settings) -> Runtime | None:
    """The process that runs the system, if it is alive."""
    try:
        runtime = Runtime(**json.loads(_file(settings).read_text()))
        os.kill(runtime.pid, 0)
    except (OSError, ValueError, TypeError):
        return None
    return runtime if _held(settings) else None


def require_running(settings: Settings) -> Runtime:
    """Raises `NotRunning`."""
    runtime = running(settings)
    if runtime is None:
        raise NotRunning(
            f"No SmartyPants runs with the data directory {settings.data_dir}.",
            "Start it with `smartypants up`, or set SMARTYPANTS_URL to one that runs elsewhere.",
        )
    return runtime


def url(settings: Settings) -> str:
    host = settings.http.host
    return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{settings.http.port}"  # noqa: S104 - compared, not listened on


def _held(settings: Settings) -> bool:
    """A process id is used again after a while; a lock is not."""
    try:
        with (settings.data_dir / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def _file(settings: Settings) -> Path:
    return settings.data_dir / "runtime.json"
