"""The audit log in the ledger: one chain of records, which is only ever added to.

Whoever adds to it in a transaction of its own change holds the chain until that ends, so it
does so last: see `database.lock` for the order of locks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, Select, insert, select

from smartypants import credentials
from smartypants.auditing import chain, ocsf
from smartypants.auditing.chain import GENESIS, Anchor, Link
from smartypants.auditing.events import Event
from smartypants.auditing.ocsf import Entry
from smartypants.ledger.audit_schema import audit
from smartypants.ledger.database import BATCH, reading

KEY: Final = "audit_key"
"""The execution option of engines that names the secret which signs records."""
_LOCK: Final = 0x5359_4E54_4155_4449  # any number that nobody else takes an advisory lock on


@dataclass(frozen=True, slots=True)
class Record:
    """A row of `audit`; `former` is the hash that its own covers."""

    link: Link
    event: dict[str, Any]
    former: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are asked for; None: whichever. Times are Unix seconds, from and until."""

    since: float | None = None
    until: float | None = None
    user_id: str | None = None
    class_uid: int | None = None
    activity_id: int | None = None
    status_id: int | None = None
    request_id: str | None = None


def note(connection: Connection, *events: Event) -> None:
    """Record, in the transaction of a change, that it was made: last in it."""
    append(connection, [Entry.now(event) for event in events])


def record(engine: Engine, *events: Event) -> None:
    """Record what changes nothing in the ledger, in a transaction of its own."""
    with engine.begin() as connection:
        note(connection, *events)


def append(connection: Connection, entries: Sequence[Entry]) -> Anchor:
    """Add records in order; the last of them. Raises `SetupError` where the secret is missing."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    last = connection.execute(
        select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1)
    ).first()
    former = GENESIS if last is None else Anchor(last.id, last.hash)
    reference = connection.get_execution_options().get(KEY)
    secret = None if reference is None else credentials.resolve(reference)
    rows = []
    for entry in entries:
        number = former.id + 1
        record = ocsf.record(entry, number)
        body = chain.canonical(record)
        former = Anchor(number, chain.digest(number, former.hash, body, secret))
        rows.append(
            {**columns(record), "body": body, "signed": int(secret is not None)}
            | {"id": number, "hash": former.hash}
        )
    for start in range(0, len(rows), BATCH):
        connection.execute(insert(audit), rows[start : start + BATCH])
    return former


def columns(record: dict[str, Any]) -> dict[str, Any]:
    """What the table repeats of a record."""
    return {
        "time": record["time"] / 1000,
        "class_uid": record["class_uid"],
        "activity_id": record["activity_id"],
        "status_id": record["status_id"],
        "user_id": record["actor"]["user"].get("uid", ""),
        "request_id": record["metadata"].get("correlation_uid", ""),
    }


def page(engine: Engine, wanted: Wanted, *, before: int | None, limit: int) -> list[Record]:
    """Newest first, from just before a number."""
    query = _matching(wanted).order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.id < before)
    with reading(engine) as connection:
        return _records(connection, connection.execute(query).all())


def every(engine: Engine, wanted: Wanted) -> Iterator[Record]:
    """Oldest first, however many there are."""
    number = 0
    while True:
        query = _matching(wanted).where(audit.c.id > number).order_by(audit.c.id).limit(BATCH)
        with reading(engine) as connection:
            found = _records(connection, connection.execute(query).all())
        if not found:
            return
        yield from found
        number = found[-1].link.id


def links(engine: Engine) -> Iterator[Link]:
    """The whole chain, for verifying; a row whose columns don't say what its body says is given
    with a body that no hash covers."""
    number = 0
    while True:
        query = select(audit).where(audit.c.id > number).order_by(audit.c.id).limit(BATCH)
        with reading(engine) as connection:
            rows = connection.execute(query).all()
        for row in rows:
            yield Link(row.id, _checked(row), row.hash, bool(row.signed))
        if not rows:
            return
        number = rows[-1].id


def _checked(row: Row[Any]) -> str:
    body: str = row.body
    try:
        said = columns(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError):
        return body
    return body if all(getattr(row, name) == value for name, value in said.items()) else ""


def _matching(wanted: Wanted) -> Select[Any]:
    query = select(audit)
    if wanted.since is not None:
        query = query.where(audit.c.time >= wanted.since)
    if wanted.until is not None:
        query = query.where(audit.c.time < wanted.until)
    for name in ("user_id", "class_uid", "activity_id", "status_id", "request_id"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(audit.c[name] == value)
    return query


def _records(connection: Connection, rows: Sequence[Row[Any]]) -> list[Record]:
    before = [row.id - 1 for row in rows]
    query = select(audit.c.id, audit.c.hash).where(audit.c.id.in_(before))
    hashes = {row.id: row.hash for row in connection.execute(query)}
    return [
        Record(
            Link(row.id, row.body, row.hash, bool(row.signed)),
            json.loads(row.body),
            hashes.get(row.id - 1, GENESIS.hash),
        )
        for row in rows
    ]
