"""Records of what changes nothing in the ledger: who saw what, and who was refused."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Sequence
from typing import Final

import structlog
from sqlalchemy import Engine

from smartypants import credentials
from smartypants.auditing.events import Event
from smartypants.auditing.ocsf import Entry
from smartypants.auditing.settings import AuditSettings
from smartypants.batching import BatchWriter
from smartypants.ledger import audit

ANCHOR_EVERY_S: Final = 60.0
"""How often the log, which goes elsewhere, names the last record."""

log = structlog.get_logger(__name__)


class AuditTrail:
    """Writes records in batches; in `strict` mode whoever shows something waits for that.

    >>> trail = AuditTrail(settings.audit, engine, on=True)
    >>> await trail.record(documents_found("docs", ids, query=trail.kept(text), cached=False))
    """

    def __init__(self, settings: AuditSettings, engine: Engine, *, required: bool) -> None:
        """`required`: callers have to say who they are."""
        chosen = settings.reads
        self.on = required if chosen == "auto" else chosen != "off"
        self._strict = chosen == "strict"
        self._settings = settings
        self._engine = engine
        self._writer = BatchWriter(self._write, name="audit")
        self._anchored_at = float("-inf")

    async def record(self, event: Event) -> None:
        """By the source at hand. Raises `Overloaded` where the ledger can't keep up."""
        if not self.on:
            return
        written = self._writer.put(Entry.now(event))
        if self._strict:
            await asyncio.shield(asyncio.wrap_future(written))

    def kept(self, query: str) -> str:
        """What a record holds of a query, as the settings say."""
        if self._settings.queries == "kept":
            return query
        if self._settings.key is None:
            return f"sha256:{hashlib.sha256(query.encode('utf-8', 'replace')).hexdigest()}"
        secret = credentials.resolve(self._settings.key).encode()
        return f"hmac:{hmac.digest(secret, query.encode('utf-8', 'replace'), 'sha256').hex()}"

    def close(self) -> None:
        self._writer.close()

    def _write(self, entries: Sequence[Entry]) -> None:
        with self._engine.begin() as connection:
            anchor = audit.append(connection, joined(entries))
        if time.monotonic() - self._anchored_at > ANCHOR_EVERY_S:
            self._anchored_at = time.monotonic()
            log.info("audit_anchor", anchor=anchor.text)


def joined(entries: Sequence[Entry]) -> list[Entry]:
    """The entries, with refusals that differ in nothing but their time as one: whoever tries
    again and again fills no disk."""
    found: list[Entry] = []
    places: dict[tuple[str, ...], int] = {}
    for entry in entries:
        event, source = entry.event, entry.source
        if event.failure is None:
            found.append(entry)
            continue
        alike = (event.activity.name, event.failure, source.user_id, source.ip, source.operation)
        if alike in places:
            place = places[alike]
            found[place] = found[place].joined(entry)
        else:
            places[alike] = len(found)
            found.append(entry)
    return found
