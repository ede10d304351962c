"""Removes conversations in which nobody has asked anything for long."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from sqlalchemy import Engine

from smartypants.chatting.settings import ChatSettings
from smartypants.ledger import conversations

DAY_S = 86_400
EVERY_S = 3_600.0

log = structlog.get_logger(__name__)


class Expiry:
    """To be called again and again by whoever lives long: it looks every hour.

    >>> expiry = Expiry(engine, settings.chat)
    >>> expiry.work()
    """

    def __init__(
        self, engine: Engine, settings: ChatSettings, clock: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._keep_s = settings.keep_days * DAY_S
        self._clock = clock
        self._due = 0.0

    def work(self) -> int:
        """How many were removed now; the next call goes on where there may be more."""
        now = self._clock()
        if not self._keep_s or now < self._due:
            return 0
        removed = conversations.remove_unused(self._engine, since=now - self._keep_s)
        if removed:
            log.info("conversations_expired", count=removed)
        else:
            self._due = now + EVERY_S
        return removed
