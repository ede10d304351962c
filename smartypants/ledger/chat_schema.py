"""The ledger's tables of conversations."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, Table

from smartypants.ledger.columns import JSON, String, Text
from smartypants.ledger.metadata import metadata

conversations = Table(
    "conversations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(32), nullable=False),  # a user's id; `local` without authentication
    Column("collection", String(64)),  # null: none was named. It need not be there still
    Column("title", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Index(None, "owner", "updated_at", "id"),
)

# Questions, and what became of them. Answers are kept in the pieces that they were streamed in,
# so that whoever lost the connection gets the rest from any process.
turns = Table(
    "turns",
    metadata,
    Column("conversation_id", String(32), ForeignKey("conversations.id"), primary_key=True),
    Column("number", Integer, primary_key=True),  # from 1
    Column("owner", String(32), nullable=False),
    Column("ask_id", String(64), nullable=False),  # the client's; asked twice, it is one turn
    Column("fingerprint", String(64), nullable=False),  # a hash of what was asked
    Column("question", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("answer", Text),
    Column("pieces", JSON, nullable=False),  # texts, and places in `citations`
    Column("citations", JSON, nullable=False),
    Column("sources", JSON, nullable=False),  # the documents that the answer may tell of
    Column("details", JSON, nullable=False),  # finish reason, usage, warnings …
    Column("prompt_version", String(32)),  # null: no model was asked
    Column("error", JSON),  # code and detail, of one that failed
    Column("runner", String(32), nullable=False),  # the process that answers
    Column("lease_until", Float, nullable=False),  # not renewed by then, it is taken for dead
    Column("wanted", String(16), nullable=False),  # run or cancel: what its user wants
    Column("watched_until", Float, nullable=False),  # somebody waits in another process
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float),
    Index("uq_turns_ask", "owner", "ask_id", unique=True),
    Index(None, "runner", "state"),
)

# Writes that were sent with an Idempotency-Key, and what they answered.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("caller", String(32), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),  # a hash of the request
    Column("claim", String(32), nullable=False),  # of the request that has it
    Column("locked_until", Float, nullable=False),  # a claim that is older was left behind
    Column("status", Integer),  # null: it is being answered
    Column("headers", JSON),
    Column("body", Text),  # null: it holds a secret, and was not kept
    Column("expires_at", Float, nullable=False, index=True),
)
