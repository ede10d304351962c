"""The ledger's tables of who may do what. No secret is in them, only hashes of secrets."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, Table

from smartypants.ledger.columns import JSON, String, Text
from smartypants.ledger.metadata import metadata

# One row. The epoch moves with every change that alters what somebody may do.
auth_state = Table(
    "auth_state",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("bootstrapped_at", Float),  # when the first admin's key was made
)

users = Table(
    "users",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(200), nullable=False, unique=True),  # `user:NAME` is its principal
    Column("kind", String(16), nullable=False),
    Column("role", String(16), nullable=False),
    Column("display_name", Text, nullable=False),
    Column("email", String(320)),
    Column("disabled", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("seen_at", Float),  # coarse
)

# Under which names the issuers of logins and tokens know a user.
identities = Table(
    "identities",
    metadata,
    Column("issuer", String(300), primary_key=True),
    Column("subject", String(300), primary_key=True),
    Column("user_id", String(32), ForeignKey("users.id"), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
)

groups = Table(
    "groups",
    metadata,
    Column("name", String(290), primary_key=True),  # `group:NAME` is its principal
    Column("created_at", Float, nullable=False),
)

memberships = Table(
    "memberships",
    metadata,
    Column("group_name", String(290), ForeignKey("groups.name"), primary_key=True),
    Column("user_id", String(32), ForeignKey("users.id"), primary_key=True, index=True),
    Column("origin", String(64), primary_key=True),  # `api`, or the issuer that claims it
)

grants = Table(
    "grants",
    metadata,
    Column("collection", String(64), primary_key=True),  # need not be there yet, or still
    Column("principal", String(300), primary_key=True, index=True),
    Column("role", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("hash", String(64), nullable=False),
    Column("user_id", String(32), ForeignKey("users.id"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("scopes", JSON),  # null: all that its user may do
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("last_used_at", Float),  # coarse
    Column("revoked_at", Float),
    Column("replaced_by", String(16)),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("user_id", String(32), ForeignKey("users.id"), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),  # coarse
    Column("expires_at", Float, nullable=False),
    Index(None, "expires_at"),
)

# Logins that were begun at an issuer and have not come back.
logins = Table(
    "logins",
    metadata,
    Column("hash", String(64), primary_key=True),  # of the state parameter
    Column("issuer", String(64), nullable=False),
    Column("verifier", String(128), nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("return_to", Text, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
)
