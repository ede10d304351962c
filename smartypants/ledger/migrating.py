"""Brings the ledger's tables to a revision, up or down; `migrations/` holds the steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine

from smartypants.errors import SetupError

# Alembic is imported where it is used: every worker imports this module, and none migrates.
if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"

_LOCK = 0x5359_4E54_5041_4E54  # any number that nobody else takes an advisory lock on


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the tables up to a revision; does nothing if they are there already.

    Several processes may do so at once. Raises `SetupError` if a newer version has been at
    the tables.
    """
    if revision == "head" and current(engine) == head():
        return
    from alembic import command

    with _config(engine) as config:
        command.upgrade(config, revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take the tables down to a revision: `base` for none, `-1` for one step.

    What a step's tables and columns held is lost.
    """
    from alembic import command

    with _config(engine) as config:
        command.downgrade(config, revision)


def current(engine: Engine) -> str | None:
    """The revision that the tables are at; None if there are none."""
    from alembic.migration import MigrationContext

    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str | None:
    """The newest revision that this version knows."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


@contextmanager
def _config(engine: Engine) -> Iterator[Config]:
    """Alembic's configuration around one transaction, which one process at a time is in."""
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.connect() as connection, _exclusively(connection):
        config.attributes["connection"] = connection
        try:
            yield config
        except CommandError as exc:
            raise SetupError(
                f"The ledger can't be migrated: {exc}.",
                "If a newer version was in use, run its `smartypants ledger downgrade` first.",
            ) from exc


@contextmanager
def _exclusively(connection: Connection) -> Iterator[None]:
    if connection.dialect.name == "postgresql":
        with connection.begin():
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
            if encoding != "UTF8":
                raise SetupError(
                    f"The ledger's database has the encoding {encoding}.",
                    "Create it with ENCODING 'UTF8'.",
                )
            yield
        return
    # SQLite changes a table by making another and dropping the former, which foreign keys
    # forbid; and it heeds this pragma only outside of a transaction.
    cursor = connection.connection.cursor()
    cursor.execute("PRAGMA foreign_keys=OFF")
    try:
        with connection.begin():
            yield
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            if broken:
                raise SetupError(f"The migration would leave {len(broken)} rows without parents.")
    finally:
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()
