"""Engines for the ledger's two databases, each with the settings that it needs under load."""

from __future__ import annotations

import importlib
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from smartypants import credentials
from smartypants.errors import SetupError
from smartypants.ledger.failures import LedgerPool, map_errors

LOCK_WAIT_S = 30
SWITCH_WAIT_S = 5.0

# A cluster has hundreds of processes with an engine each, and PostgreSQL 100 connections by
# default: one that is idle keeps one open, and a busy ingress may have nine.
_POOL: dict[str, Any] = {
    "poolclass": LedgerPool,
    "pool_size": 1,
    "max_overflow": 8,
    "pool_timeout": 10,
    "pool_recycle": 1800,
    "pool_pre_ping": True,
}
_POSTGRESQL: dict[str, Any] = {
    "application_name": "smartypants",
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "client_encoding": "utf8",
    "options": f"-c lock_timeout={LOCK_WAIT_S}s",
}
# A pooler in front of PostgreSQL may give each transaction another connection.
_NO_PREPARED_STATEMENTS: dict[str, Any] = {"prepare_threshold": None}


def connect(url: str, *, password: str | None = None) -> Engine:
    """An engine for the ledger at an SQLAlchemy URL: `sqlite:///PATH` or `postgresql://…`.

    `password` is a reference (`env:NAME`, `file:PATH`), looked up for each new connection.
    For SQLite the folder is made. What the database answers is mapped by `failures`. Raises
    `SetupError` for a URL that can't be used.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SetupError("ledger.url is not a URL.", "Use postgresql://ROLE@HOST/DB.") from None
    backend, _, driver = parsed.drivername.partition("+")
    if backend == "sqlite":
        engine = _sqlite(parsed)
    elif backend in ("postgresql", "postgres") and driver in ("", "psycopg"):
        engine = _postgresql(parsed, password)
    else:
        raise SetupError(
            f"The ledger can't be kept in {parsed.drivername}.",
            "Use a URL that begins with postgresql:// or sqlite:///.",
        )
    map_errors(engine)
    return engine


def _postgresql(url: URL, password: str | None) -> Engine:
    try:
        importlib.import_module("psycopg")
    except ImportError as exc:
        raise SetupError(
            "PostgreSQL's driver is not installed.",
            "Install the extra that has it: pip install 'smartypants[postgres]'.",
        ) from exc
    wanted = {name: value for name, value in _POSTGRESQL.items() if name not in url.query}
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args=wanted | _NO_PREPARED_STATEMENTS,
        hide_parameters=True,
        **_POOL,
    )
    if password is not None:

        def supply(_: Any, __: Any, ___: Any, arguments: dict[str, Any]) -> None:
            arguments["password"] = credentials.resolve(password)

        event.listen(engine, "do_connect", supply)
    return engine


def _sqlite(url: URL) -> Engine:
    """WAL mode: readers never wait for the writer, and writers wait for each other."""
    pool: dict[str, Any] = {}
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        pool = {"poolclass": LedgerPool}
    wanted = {} if "timeout" in url.query else {"timeout": LOCK_WAIT_S}
    engine = create_engine(url, connect_args=wanted, hide_parameters=True, **pool)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _lock_sqlite)
    return engine


def _configure_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    deadline = time.monotonic() + SWITCH_WAIT_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError as exc:
            # Of several that open a new database at once, all but one are refused at once.
            if "locked" not in str(exc) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _lock_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later would fail at once when another process
    # wrote in between; taking the write lock at the start makes it wait instead.
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
