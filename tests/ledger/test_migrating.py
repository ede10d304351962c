"""The tables' revisions, up and down, in both databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError

from smartypants.errors import SetupError
from smartypants.ledger import jobs
from smartypants.ledger.database import connect, reading
from smartypants.ledger.migrating import MIGRATIONS, current, downgrade, head, migrate
from smartypants.ledger.schema import acls, metadata, sources
from tests.ledger.conftest import Source
from tests.servers.postgres import PostgresServer

REVISIONS = [
    step.revision for step in ScriptDirectory(str(MIGRATIONS)).walk_revisions("base", "heads")
][::-1]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


@pytest.fixture
def engine(empty: str) -> Iterator[Engine]:
    """One whose tables are this test's to change."""
    engine = connect(empty)
    migrate(engine)
    yield engine
    engine.dispose()


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names()) - {"alembic_version"}


def shape(engine: Engine) -> dict[str, object]:
    """What a revision made: columns and their kinds, indexes, keys."""
    found = inspect(engine)
    return {
        name: (
            [(item["name"], str(item["type"]), item["nullable"]) for item in columns],
            sorted(str(item["column_names"]) for item in found.get_indexes(name)),
            sorted(str(item["constrained_columns"]) for item in found.get_foreign_keys(name)),
        )
        for name in tables(engine)
        if (columns := sorted(found.get_columns(name), key=lambda item: item["name"]))
    }


def test_there_is_one_newest_revision() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [head()] == REVISIONS[-1:]


def test_migrations_lead_to_the_schema(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    assert tables(engine) == set(metadata.tables)
    assert current(engine) == head()


def test_every_step_up_and_down(empty: str) -> None:
    engine = connect(empty)
    shapes = {}
    for revision in REVISIONS:
        migrate(engine, revision)
        assert current(engine) == revision
        shapes[revision] = shape(engine)
    assert tables(engine) == set(metadata.tables)
    for revision in REVISIONS[-2::-1]:
        downgrade(engine, "-1")
        assert current(engine) == revision
        assert shape(engine) == shapes[revision]
    downgrade(engine, "base")
    assert (tables(engine), current(engine)) == (set(), None)
    migrate(engine)
    assert shape(engine) == shapes[REVISIONS[-1]]
    engine.dispose()


@pytest.mark.parametrize("revision", REVISIONS)
def test_rows_survive_a_step_down_and_up(engine: Engine, revision: str) -> None:
    source = Source(engine)
    source.list("a.txt", "b.txt", source.ref("c.txt", principals=("user:ann",)))
    source.index("a.txt")
    jobs.submit(engine, "ingest", "docs", {})
    downgrade(engine, revision)
    migrate(engine)
    assert {source.row(name).name for name in ("a.txt", "b.txt", "c.txt")} == {
        "a.txt",
        "b.txt",
        "c.txt",
    }
    assert source.row("a.txt").searchable
    assert len(jobs.page(engine, limit=9)) == 1


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(acls).values(key="k"))
    migrate(engine)
    with reading(engine) as connection:
        assert connection.execute(select(acls.c.key)).scalars().all() == ["k"]


def test_many_may_migrate_at_once(empty: str) -> None:
    engines = [connect(empty) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(migrate, engines))
    assert tables(engines[0]) == set(metadata.tables)
    for engine in engines:
        engine.dispose()


def test_a_newer_versions_tables_are_left_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SetupError, match="9999"):
        migrate(engine)
    assert current(engine) == "9999"
    assert tables(engine) == set(metadata.tables)


def test_step_that_does_not_exist(engine: Engine) -> None:
    with pytest.raises(SetupError, match="nonsense"):
        downgrade(engine, "nonsense")
    assert current(engine) == head()


def test_foreign_keys_hold_after_a_migration(engine: Engine) -> None:
    row = {"id": "s", "collection": "nobody", "kind": "k", "uri": "u", "created_at": 0.0}
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(insert(sources).values(row))


def test_sqlite_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    migrate(connect("sqlite:///:memory:"))
    assert list(tmp_path.iterdir()) == []


def test_other_encodings_are_refused(postgres: PostgresServer) -> None:
    options = "ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
    with postgres.database(options) as url:
        engine = connect(url)
        with pytest.raises(SetupError, match="SQL_ASCII"):
            migrate(engine)
        assert tables(engine) == set()
        engine.dispose()
