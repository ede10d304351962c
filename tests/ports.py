"""Ports for the servers that tests start."""

from __future__ import annotations

import itertools
import os
import random

from smartypants import ports

_FIRST, _WORKERS, _SHARE = 20000, 8, 1200


def free_port() -> int:
    """One that nobody has, that no other worker is given, nor another call for long.

    They are below those that the kernel gives to whoever asks for any (32768 on) and that Serve
    gives to replicas (30000 on): a Ray that starts beside takes hundreds of them before a server
    of ours listens.
    """
    return next(port for port in _PORTS if not ports.in_use(port, "0.0.0.0"))


def _share(worker: str) -> list[int]:
    """This worker's share (gw0, gw1, …), shuffled."""
    first = _FIRST + int(worker.removeprefix("gw") or 0) % _WORKERS * _SHARE
    return random.sample(range(first, first + _SHARE), _SHARE)


_PORTS = itertools.cycle(_share(os.environ.get("PYTEST_XDIST_WORKER", "")))
