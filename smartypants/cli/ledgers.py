"""The ledger as commands open it: with its tables up to date."""

from __future__ import annotations

from sqlalchemy import Engine

from smartypants import wiring
from smartypants.ledger import collections
from smartypants.ledger.database import migrate
from smartypants.settings import Settings


def open_ledger(settings: Settings) -> Engine:
    engine = wiring.open_ledger(settings)
    migrate(engine)
    return engine


def open_for(settings: Settings, collection: str | None) -> Engine:
    """The same, for what is done to a collection. Raises `CollectionNotFound`."""
    engine = open_ledger(settings)
    if collection is not None:
        collections.get(engine, collection)
    return engine
