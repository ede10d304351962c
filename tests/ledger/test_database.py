"""How transactions and statements behave, the same in both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError

from smartypants.ledger.database import lock, reading, upsert
from smartypants.ledger.schema import collections, sources


def test_foreign_keys_hold(engine: Engine) -> None:
    row = {"id": "s", "collection": "nobody", "kind": "k", "uri": "u", "created_at": 0.0}
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(insert(sources).values(row))


def test_transactions_that_read_first_wait_for_each_other(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(collections).values(_collection("c")))

    def add_one(_: int) -> None:
        with engine.begin() as connection:
            lock(connection, collections, ["c"])
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


def _collection(name: str) -> dict[str, object]:
    return {
        "name": name,
        "physical": f"{name}__m__v1",
        "embedding_model": "m",
        "dimension": 4,
        "epoch": 0,
        "created_at": 0.0,
    }
