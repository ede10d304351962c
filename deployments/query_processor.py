"""Deployment: interprets queries."""

from __future__ import annotations

import asyncio

from smartypants import wiring
from smartypants.processing import process
from smartypants.settings import Settings
from smartypants.types import Query, SearchPlan


class QueryProcessor:
    """Query → plan; scales with the ledger and, later, with the model calls of expansion."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine = wiring.open_ledger(settings)

    async def process(self, query: Query) -> SearchPlan:
        return await asyncio.to_thread(process, query, engine=self._engine, settings=self._settings)
