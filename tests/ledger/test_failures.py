"""What the database answers when it is down, busy, locked or not ours."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, select, text
from sqlalchemy.exc import IntegrityError

from smartypants.errors import LedgerUnavailable, SetupError
from smartypants.ledger import collections, jobs
from smartypants.ledger.database import connect, reading
from smartypants.ledger.engines import connect as open_engine
from smartypants.ledger.failures import LedgerPool
from smartypants.ledger.schema import collections as table
from tests.canaries import canary
from tests.ports import free_port
from tests.servers.postgres import LOCKED_ROLE, PostgresServer

PASSWORD = canary("correct horse")


def test_no_server() -> None:
    engine = connect(f"postgresql://role@127.0.0.1:{free_port()}/db")
    with pytest.raises(LedgerUnavailable, match=r"Connection refused") as caught:
        collections.every(engine)
    assert caught.value.retryable


def test_connection_lost_while_idle(postgresql_ledger: str, postgres: PostgresServer) -> None:
    engine = connect(postgresql_ledger)
    assert collections.every(engine) == []
    terminate(postgres)
    assert collections.every(engine) == []  # found out, and connected anew
    engine.dispose()


def test_connection_lost_in_a_transaction(postgresql_ledger: str, postgres: PostgresServer) -> None:
    engine = connect(postgresql_ledger)

    def lose() -> None:
        with engine.begin() as connection:
            connection.execute(select(table))
            terminate(postgres)
            connection.execute(select(table))

    with pytest.raises(LedgerUnavailable):
        lose()
    assert jobs.submit(engine, "ingest", "docs", {}).state == "queued"
    engine.dispose()


def terminate(postgres: PostgresServer) -> None:
    postgres.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'ledger'"
    )


def test_deadlock_may_be_tried_again(postgresql_ledger: str) -> None:
    engine = connect(postgresql_ledger)
    for name in ("a", "b"):
        collections.ensure(engine, name, embedding_model="m", dimension=4)
    both = threading.Barrier(2)
    caught: list[Exception] = []

    def lock_both(first: str, second: str) -> None:
        try:
            with engine.begin() as connection:
                collections.move_epoch(connection, first)
                both.wait()
                collections.move_epoch(connection, second)
        except LedgerUnavailable as exc:
            caught.append(exc)

    threads = [threading.Thread(target=lock_both, args=names) for names in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["deadlock" in str(exc) for exc in caught] == [True]
    assert sorted(item.epoch for item in collections.every(engine)) == [1, 1]
    engine.dispose()


def test_locked_sqlite(sqlite_ledger: str) -> None:
    engine, other = connect(sqlite_ledger), connect(f"{sqlite_ledger}?timeout=0.1")
    with engine.begin(), pytest.raises(LedgerUnavailable, match="locked"):
        jobs.submit(other, "ingest", "docs", {})
    assert jobs.submit(other, "ingest", "docs", {}).state == "queued"


def test_too_many_at_once() -> None:
    engine = create_engine(
        "sqlite://", poolclass=LedgerPool, pool_size=1, max_overflow=0, pool_timeout=0.05
    )
    with engine.connect(), pytest.raises(LedgerUnavailable, match="busy"):
        engine.connect()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


@pytest.fixture(params=["sqlite", "postgresql"])
def without_tables(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'new.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


def test_tables_that_are_not_there(without_tables: str) -> None:
    engine = connect(without_tables)
    with pytest.raises(SetupError, match="ledger upgrade"):
        collections.every(engine)
    engine.dispose()


def test_columns_that_are_not_there(without_tables: str) -> None:
    engine = connect(without_tables)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE collections (name VARCHAR(9))"))
    with pytest.raises(SetupError, match="ledger upgrade"):
        collections.every(engine)
    engine.dispose()


def test_faults_of_ours_stay_what_they_are(engine: Engine) -> None:
    jobs.submit(engine, "ingest", "docs", {"title": "a secret"}, job_id="same")
    with pytest.raises(IntegrityError) as caught:
        jobs.submit(engine, "ingest", "docs", {"title": "a secret"}, job_id="same")
    assert "a secret" not in str(caught.value)


@pytest.fixture
def locked(postgresql_ledger: str, postgres: PostgresServer) -> Iterator[str]:
    """The ledger's URL for a role with a password and no rights."""
    postgres.execute(f"CREATE ROLE {LOCKED_ROLE} LOGIN PASSWORD '{PASSWORD}'")
    yield postgres.url("ledger", LOCKED_ROLE)
    postgres.execute(f"DROP ROLE {LOCKED_ROLE}")


def test_password_by_reference(
    locked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_PASSWORD", PASSWORD)
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    for reference in ("env:LEDGER_PASSWORD", f"file:{tmp_path / 'password'}"):
        engine = open_engine(locked, password=reference)
        with reading(engine) as connection:
            assert connection.execute(text("SELECT current_user")).scalar() == LOCKED_ROLE
        assert PASSWORD not in repr(engine)
        assert PASSWORD not in repr(engine.url.render_as_string(hide_password=False))
        engine.dispose()


def test_role_without_rights(locked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_PASSWORD", PASSWORD)
    engine = open_engine(locked, password="env:LEDGER_PASSWORD")
    with pytest.raises(SetupError, match="permission denied for table collections"):
        collections.every(engine)
    engine.dispose()


def test_wrong_password_is_not_shown(
    locked: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LEDGER_PASSWORD", canary("battery staple"))
    with pytest.raises(LedgerUnavailable, match="password authentication failed") as caught:
        collections.every(open_engine(locked, password="env:LEDGER_PASSWORD"))
    assert "battery" not in str(caught.value)
    assert "battery" not in "".join(capfd.readouterr())


def test_password_that_changes(locked: str, postgres: PostgresServer, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    engine = open_engine(locked, password=f"file:{tmp_path / 'password'}")
    with reading(engine):
        postgres.execute(f"ALTER ROLE {LOCKED_ROLE} PASSWORD 'another'")
        (tmp_path / "password").write_text("another")
        with reading(engine) as second:
            assert second.execute(text("SELECT 1")).scalar() == 1
    engine.dispose()


def test_missing_secret() -> None:
    engine = open_engine("postgresql://role@127.0.0.1/db", password="env:NO_SUCH_VARIABLE")
    with pytest.raises(SetupError, match="NO_SUCH_VARIABLE is not set"):
        collections.every(engine)


@pytest.mark.parametrize("url", ["", "ledger.db", "postgresql//x:TOPSECRET@y", "//:TOPSECRET@x"])
def test_no_url(url: str) -> None:
    with pytest.raises(SetupError) as caught:
        connect(url)
    assert "TOPSECRET" not in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://h/db", "postgresql+psycopg2://h/db", "oracle://h"])
def test_other_databases(url: str) -> None:
    with pytest.raises(SetupError, match="begins with postgresql:// or sqlite:///"):
        connect(url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgres"])
def test_ways_to_write_a_url(scheme: str, postgresql_ledger: str) -> None:
    url = postgresql_ledger.replace("postgresql:", f"{scheme}:")
    engine = connect(f"{url}?application_name=mine&connect_timeout=3")
    with reading(engine) as connection:
        assert connection.execute(text("SHOW application_name")).scalar() == "mine"
        assert connection.execute(text("SHOW lock_timeout")).scalar() == "30s"
    engine.dispose()


def test_driver_that_is_not_installed() -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from smartypants.ledger.database import connect\n"
        "connect('postgresql://role@127.0.0.1/db')"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "SetupError" in ended.stderr
    assert "smartypants[postgres]" in ended.stderr
