"""Who does what is being done, and from where: bound to the request, command or job at hand."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Source:
    """The actor of a record. `kind` is a caller's, or `operator` for somebody at the machine.

    `operation` is a method and path, or a command or job. Everything else is empty where it
    does not apply.
    """

    kind: str
    name: str
    user_id: str = ""
    key_id: str = ""
    admin: bool = False
    operation: str = ""
    request_id: str = ""
    ip: str = ""
    user_agent: str = ""


_current: ContextVar[Source | None] = ContextVar("audit_source", default=None)


def current() -> Source:
    """Who acts here; outside of requests and jobs that is whoever runs the process."""
    return _current.get() or _operator()


@contextmanager
def acting(source: Source) -> Iterator[None]:
    """What is done inside is done by this source; threads that the block starts through
    `asyncio.to_thread` and anyio know it too."""
    token = _current.set(source)
    try:
        yield
    finally:
        _current.reset(token)


@cache
def _operator() -> Source:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        name = "unknown"
    return Source("operator", name, operation="at the machine")


@cache
def here() -> str:
    """This machine's name."""
    return socket.gethostname()
