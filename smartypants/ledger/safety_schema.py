"""The ledger's table of safety overrides."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, String, Table

from smartypants.ledger.metadata import metadata

# What answers from a collection have to keep beyond the settings.
safety_overrides = Table(
    "safety_overrides",
    metadata,
    Column("collection", String(64), ForeignKey("collections.name"), primary_key=True),
    Column("overrides", JSON, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("changed_by", String(300), nullable=False),
)
