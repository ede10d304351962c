"""The epoch of permissions: it moves with every change that alters what somebody may do."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, select, update

from smartypants.ledger.auth_schema import auth_state
from smartypants.ledger.database import reading, upsert

ROW = 1


def current(engine: Engine) -> int:
    """What was resolved at another epoch may be wrong by now."""
    with reading(engine) as connection:
        found = connection.execute(select(auth_state.c.epoch)).scalar()
    return int(found or 0)


def move(connection: Connection) -> None:
    """In the transaction of the change, before it: changes wait for each other here."""
    made = upsert(connection.engine, auth_state, [{"id": ROW, "epoch": 0}])
    connection.execute(made)
    connection.execute(update(auth_state).values(epoch=auth_state.c.epoch + 1))
