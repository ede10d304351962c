"""On whose account something is done: bound to the request or job at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Payer:
    """Who, by which API key, over which route and in which collection; empty: none of them."""

    user_id: str = ""
    user_name: str = ""
    key_id: str = ""
    route: str = ""
    collection: str = ""


NOBODY = Payer()

_current: ContextVar[Payer] = ContextVar("payer", default=NOBODY)


def current() -> Payer:
    return _current.get()


@contextmanager
def paying(payer: Payer) -> Iterator[None]:
    """What is done inside is on this account."""
    token = _current.set(payer)
    try:
        yield
    finally:
        _current.reset(token)


def settle(*, route: str | None = None, collection: str | None = None) -> None:
    """What is known by now of the request at hand."""
    payer = _current.get()
    chosen = {"route": route, "collection": collection}
    known = {name: value for name, value in chosen.items() if value is not None}
    _current.set(replace(payer, **known))
