"""What only SQLite needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select, text

from smartypants.ledger.database import connect, reading
from smartypants.ledger.schema import acls


@pytest.fixture
def engine(sqlite_ledger: str) -> Iterator[Engine]:
    engine = connect(sqlite_ledger)
    yield engine
    engine.dispose()


def test_folder_is_made(tmp_path: Path) -> None:
    connect(f"sqlite:///{tmp_path / 'a' / 'b' / 'ledger.db'}")
    assert (tmp_path / "a" / "b").is_dir()


def test_it_is_set_up(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_reader_is_not_kept_waiting(engine: Engine) -> None:
    with engine.begin() as writer:
        writer.execute(insert(acls).values(key="k"))
        with reading(engine) as reader:
            assert reader.execute(select(acls)).all() == []
