"""What child processes do: they import no more than they need."""

from __future__ import annotations

from sqlalchemy import Engine

from smartypants.auditing import events
from smartypants.ledger import audit
from smartypants.ledger.database import connect

EACH = 25


def note(engine: Engine, number: int) -> None:
    """One record, of a job with this number."""
    with engine.begin() as connection:
        audit.note(connection, events.changed("job", "Create", str(number)))


def append(url: str, process: int) -> None:
    engine = connect(url)
    for number in range(EACH):
        note(engine, process * EACH + number)
    engine.dispose()
