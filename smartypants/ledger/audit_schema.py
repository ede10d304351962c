"""The ledger's table of audit records. Triggers of its migration refuse to change or delete any."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Table, Text

from smartypants.ledger.columns import String
from smartypants.ledger.metadata import metadata

# `body` is the whole record, in the one form that `hash` covers; the columns before it repeat
# what records are looked for by.
audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # 1, 2, 3 … without gaps
    Column("time", Float, nullable=False),
    Column("class_uid", Integer, nullable=False),
    Column("activity_id", Integer, nullable=False),
    Column("status_id", Integer, nullable=False),
    Column("user_id", String(32), nullable=False),  # the actor's; empty: nobody known here
    Column("request_id", String(100), nullable=False),
    Column("body", Text, nullable=False),
    Column("signed", Integer, nullable=False),  # 1: the hash took the secret in audit.key
    Column("hash", String(64), nullable=False),
    Index(None, "time"),
    Index(None, "user_id", "id"),
)
