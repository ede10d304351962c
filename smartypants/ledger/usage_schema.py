"""The ledger's table of what was used, an hour a row."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Table

from smartypants.ledger.columns import String
from smartypants.ledger.metadata import metadata

usage = Table(
    "usage",
    metadata,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),  # when it began
    Column("user_id", String(32), primary_key=True),  # these are empty where they don't apply
    Column("key_id", String(16), primary_key=True),
    Column("route", String(100), primary_key=True),
    Column("collection", String(64), primary_key=True),
    Column("provider", String(100), primary_key=True),
    Column("model", String(200), primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("calls", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("embeddings", BigInteger, nullable=False),
    Column("documents", BigInteger, nullable=False),
    Column("unpriced", BigInteger, nullable=False),  # calls that `cost` lacks
    Column("estimated", BigInteger, nullable=False),  # calls whose tokens are an estimate
    Column("cost", Float),  # null: of none is the price known
)
