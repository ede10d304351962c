"""Migrations on a real SQLite file, and how transactions behave there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import alembic.command
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_mock_engine, insert, inspect, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError

from smartypants.ledger import jobs, leases
from smartypants.ledger.database import MIGRATIONS, connect, migrate, reading, upsert
from smartypants.ledger.schema import acls, collections, metadata, sources


def test_migrations_lead_to_the_schema(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert set(metadata.tables) < set(inspect(engine).get_table_names())


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(acls).values(key="k"))
    migrate(engine)
    with reading(engine) as connection:
        assert connection.execute(select(acls.c.key)).scalars().all() == ["k"]


def test_downgrade_to_nothing_and_back(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        alembic.command.downgrade(config, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    migrate(engine)
    assert set(metadata.tables) < set(inspect(engine).get_table_names())


def test_jobs_of_the_former_rules_are_queued_again(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'old.db'}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "0001")
        for job_id, state in (("a", "running"), ("b", "running"), ("c", "succeeded")):
            connection.execute(
                text(
                    "INSERT INTO jobs (id, kind, collection, params, state, progress, runner,"
                    " attempts, created_at, heartbeat_at)"
                    " VALUES (:id, 'ingest', 'docs', '{}', :state, '{}', 'r', 1, 1.0, 1.0)"
                ),
                {"id": job_id, "state": state},
            )
    migrate(engine)
    found = {job_id: jobs.get(engine, job_id) for job_id in "abc"}
    assert [job.state for job in found.values()] == ["queued", "queued", "succeeded"]
    assert [job.exclusive for job in found.values()] == ["a", "b", "c"]
    assert (found["a"].priority, found["a"].wanted, found["a"].runner) == (5, "run", None)
    for _ in range(2):
        assert leases.claim(engine, "r", lease_s=9) is not None
    assert leases.claim(engine, "r", lease_s=9) is None


def test_two_processes_may_migrate_at_once(tmp_path: Path) -> None:
    engines = [connect(f"sqlite:///{tmp_path / 'new.db'}") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, engines))
    assert set(metadata.tables) < set(inspect(engines[0]).get_table_names())


def test_folder_is_made(tmp_path: Path) -> None:
    connect(f"sqlite:///{tmp_path / 'a' / 'b' / 'ledger.db'}")
    assert (tmp_path / "a" / "b").is_dir()


def test_in_memory_needs_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    migrate(connect("sqlite:///:memory:"))
    assert list(tmp_path.iterdir()) == []


def test_sqlite_is_set_up(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_foreign_keys_hold(engine: Engine) -> None:
    row = {"id": "s", "collection": "nobody", "kind": "k", "uri": "u", "created_at": 0.0}
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(insert(sources).values(row))


def test_transactions_that_read_first_wait_for_each_other(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(collections).values(_collection("c")))

    def add_one(_: int) -> None:
        with engine.begin() as connection:
            epoch = connection.execute(select(collections.c.epoch)).scalar_one()
            connection.execute(collections.update().values(epoch=epoch + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_one, range(40)))
    with reading(engine) as connection:
        assert connection.execute(select(collections.c.epoch)).scalar_one() == 40


def test_reader_is_not_kept_waiting(engine: Engine) -> None:
    with engine.begin() as writer:
        writer.execute(insert(collections).values(_collection("c")))
        with reading(engine) as reader:
            assert reader.execute(select(collections)).all() == []
    with reading(engine) as reader:
        assert len(reader.execute(select(collections)).all()) == 1


def test_upsert_sets_the_named_columns_only(engine: Engine) -> None:
    first, second = _collection("c"), _collection("c") | {"epoch": 7, "dimension": 9}
    with engine.begin() as connection:
        connection.execute(upsert(engine, collections, [first]))
        connection.execute(upsert(engine, collections, [second]))
        assert connection.execute(select(collections.c.epoch)).scalar_one() == 0
        connection.execute(upsert(engine, collections, [second], "epoch"))
        row = connection.execute(select(collections)).one()
    assert (row.epoch, row.dimension) == (7, 4)


def test_upsert_in_postgresql() -> None:
    engine = create_mock_engine("postgresql://", lambda *_: None)
    statement = upsert(engine, collections, [_collection("c")], "epoch")  # type: ignore[arg-type]
    compiled = str(statement.compile(dialect=postgresql.dialect()))
    assert "ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch" in compiled


def _collection(name: str) -> dict[str, object]:
    return {
        "name": name,
        "physical": f"{name}__m__v1",
        "embedding_model": "m",
        "dimension": 4,
        "epoch": 0,
        "created_at": 0.0,
    }
