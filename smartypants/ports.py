"""Ports of this machine: whether one is in use, and holding one while a server starts and runs."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from smartypants.errors import PortTaken

_FIRST, _END = 1024, 65536
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not listened on


def in_use(port: int, host: str = "127.0.0.1") -> bool:
    """Whether no server could listen there: another does, or a connection goes out by it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe, socket.socket(family) as server:
        # BSD lets two servers listen at one port if their addresses differ, and one of them starve.
        probe.settimeout(1)
        if probe.connect_ex((_LOOPBACK.get(host, host), port)) == 0:
            return True
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        try:
            server.bind((host, port))
        except OSError as exc:
            return exc.errno == errno.EADDRINUSE
        return False


def first_free(port: int, host: str = "127.0.0.1") -> int:
    """This port, or the next above it where a server can listen; 1024 comes after 65535."""
    first = port if port < _END else port - _END + _FIRST
    return next(
        one for one in chain(range(first, _END), range(_FIRST, first)) if not in_use(one, host)
    )


def check_free(port: int, setting: str, host: str = "127.0.0.1") -> None:
    """Raises `PortTaken`, which names the setting, if a server could not listen there."""
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
