"""What every module of the ledger uses: `connect`, reading, upserts, and row locks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from smartypants.ledger.engines import connect
from smartypants.ledger.migrating import migrate

__all__ = ["BATCH", "connect", "lock", "migrate", "reading", "snapshot", "upsert"]

BATCH = 500
"""Rows a statement: below the parameter limits of SQLite and PostgreSQL."""


def reading(engine: Engine) -> Connection:
    """A connection for SELECTs: each statement sees the latest commit, no lock is held."""
    # Of the connection, not of the engine: that would be a new engine each time.
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection for SELECTs that all see the ledger as of one moment; no lock is held."""
    if engine.dialect.name == "postgresql":
        with engine.execution_options(isolation_level="REPEATABLE READ").connect() as connection:
            yield connection
        return
    with reading(engine) as connection:
        connection.exec_driver_sql("BEGIN")  # deferred: it never waits for the writer
        try:
            yield connection
        finally:
            connection.exec_driver_sql("ROLLBACK")


def upsert(engine: Engine, table: Table, rows: list[dict[str, Any]], *update: str) -> Any:
    """An INSERT of rows that, where the primary key exists, sets only the `update` columns.

    Without such columns, rows that violate any unique key are left out.
    """
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(rows)
    if not update:
        return statement.on_conflict_do_nothing()
    keys = [column.name for column in table.primary_key.columns]
    return statement.on_conflict_do_update(
        index_elements=keys, set_={name: statement.excluded[name] for name in update}
    )


def lock(connection: Connection, table: Table, keys: Iterable[str]) -> None:
    """Lock rows of a table until the transaction ends, so that what is read of them stays true.

    PostgreSQL only; SQLite has one writer at a time. Two transactions that lock several rows
    in different orders end in a deadlock. Ours lock by ascending key, and tables in the order
    collections, sources, acls, documents.
    """
    if connection.dialect.name != "postgresql":
        return
    key = table.primary_key.columns[0]
    ordered = sorted(set(keys))
    for start in range(0, len(ordered), BATCH):
        found = select(key).where(key.in_(ordered[start : start + BATCH])).order_by(key)
        connection.execute(found.with_for_update(key_share=True))
