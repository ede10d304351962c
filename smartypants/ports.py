"""Ports of this machine: whether one is in use, and holding one while a server starts and runs."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smartypants.errors import PortTaken


def in_use(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something listens there."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1" if host == "0.0.0.0" else host, port)) == 0  # noqa: S104 - compared, not listened on


def check_free(port: int, setting: str, host: str = "127.0.0.1") -> None:
    """Raises `PortTaken`, which names the setting, if something listens there."""
    if in_use(port, host):
        raise _taken(port, setting)


@contextmanager
def claimed(port: int, setting: str, host: str = "127.0.0.1") -> Iterator[None]:
    """Hold a port for a server that is started within the block.

    gRPC and HAProxy listen with SO_REUSEPORT: two servers that start at the same time both get
    the port, and each answers some of the calls. So whoever starts one of ours locks a file first.
    The kernel lets go when a holder dies. Raises `PortTaken`.
    """
    file = _open(Path(tempfile.gettempdir(), f"sp-port-{port}.lock"))
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise _taken(port, setting) from exc
        check_free(port, setting, host)
        yield
    finally:
        os.close(file)


def _open(path: Path) -> int:
    """For reading, which is enough to lock it: it may be another user's."""
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        file = os.open(path, os.O_RDONLY | os.O_CREAT)
        os.fchmod(file, 0o444)
        return file


def _taken(port: int, setting: str) -> PortTaken:
    variable = f"SMARTYPANTS_{setting.upper().replace('.', '__')}"
    return PortTaken(f"Port {port} is in use.", f"End what uses it, or set {setting} ({variable}).")
