"""The ledger's table of rate limits and quotas, where no Redis keeps them."""

from __future__ import annotations

from sqlalchemy import Column, Float, Table

from smartypants.ledger.columns import String
from smartypants.ledger.metadata import metadata

# `value` is what `limits.rules` makes of it; times count from `rules.EPOCH`.
limits = Table(
    "limits",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("value", Float, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),  # from then on as if it were not there
)
