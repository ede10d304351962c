"""The ledger's tables; `migrations/` holds how they came to be."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, Table, text

# The tables of these are the ledger's too.
from smartypants.ledger import (  # noqa: F401
    audit_schema,
    auth_schema,
    chat_schema,
    limits_schema,
    safety_schema,
    usage_schema,
)
from smartypants.ledger.columns import JSON, String, Text
from smartypants.ledger.metadata import metadata as metadata

# All times are Unix seconds, UTC.

collections = Table(
    "collections",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("physical", String(200), nullable=False, unique=True),
    Column("embedding_model", String(300), nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False),  # moves with every change that a search can see
    Column("created_at", Float, nullable=False),
)

sources = Table(
    "sources",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("collection", String(64), ForeignKey("collections.name"), nullable=False, index=True),
    Column("kind", String(64), nullable=False),
    Column("uri", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("listed_at", Float),
)

acls = Table(
    "acls",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(32), nullable=False, unique=True),  # a hash of the sorted principals
)

acl_principals = Table(
    "acl_principals",
    metadata,
    Column("acl_id", Integer, ForeignKey("acls.id"), primary_key=True),
    Column("principal", String(300), primary_key=True, index=True),
)

documents = Table(
    "documents",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("collection", String(64), ForeignKey("collections.name"), nullable=False),
    Column("source_id", String(32), ForeignKey("sources.id"), nullable=False),
    Column("uri", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("media_type", String(200)),
    Column("metadata", JSON, nullable=False),  # as the source or the uploader gave it
    Column("parsed", JSON, nullable=False),  # as the parser found it
    Column("acl_id", Integer, ForeignKey("acls.id"), nullable=False),
    Column("placed_acl_id", Integer),  # its chunks' in the vector store; null: the same
    Column("size", BigInteger, nullable=False),
    Column("etag", String(300), nullable=False),  # as last listed
    Column("state", String(16), nullable=False),
    Column("indexed_version", String(64)),  # what searches may show; null: nothing
    Column("chunk_count", Integer, nullable=False),
    Column("purged", Integer, nullable=False),  # 1: deleted, and nothing left in the stores
    Column("error_code", String(64)),
    Column("error", Text),
    Column("attempts", Integer, nullable=False),
    Column("retryable", Integer, nullable=False),  # 1: the last error may pass by itself
    Column("retry_at", Float),  # when a retryable failure is due again
    Column("listed_by", String(32)),  # the job whose listing saw it last
    Column("job_id", String(32)),  # the job that worked on it last
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("indexed_at", Float),
    Index(None, "collection", "state"),
    Index(None, "source_id", "state"),
    Index(None, "job_id"),
    Index(None, "indexed_version"),
)

# What was searchable of a document, and when. The rows outlive the document's deletion.
versions = Table(
    "versions",
    metadata,
    Column("document_id", String(32), primary_key=True),
    Column("indexed_at", Float, primary_key=True),
    Column("version", String(64), nullable=False),
    Column("etag", String(300), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("chunk_count", Integer, nullable=False),
    Column("replaced_at", Float),  # null: it is what searches show
)

# "document_id is `kind` other_id": neither of them has to be there yet, or still.
relations = Table(
    "relations",
    metadata,
    Column("document_id", String(32), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("other_id", String(32), primary_key=True, index=True),
    Column("created_at", Float, nullable=False),
)

# Physical collections besides the one that searches use: `filling` to take its place, or
# `retired` and to be dropped.
generations = Table(
    "generations",
    metadata,
    Column("physical", String(200), primary_key=True),
    Column("collection", String(64), ForeignKey("collections.name"), nullable=False, index=True),
    Column("embedding_model", String(300), nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("recipe", String(64), nullable=False),  # a hash of how chunks and vectors are made
    Column("state", String(16), nullable=False),
    Column("changed_at", Float, nullable=False),
)

# What a generation that is being filled holds whole, flushed.
staged = Table(
    "staged",
    metadata,
    Column("physical", String(200), ForeignKey("generations.physical"), primary_key=True),
    Column("document_id", String(32), primary_key=True),
    Column("version", String(64), nullable=False),
    Column("acl_id", Integer, nullable=False),
    Column("chunk_count", Integer, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("collection", String(64), nullable=False),
    Column("exclusive", String(32), nullable=False),  # what it works on; one at a time runs
    Column("priority", Integer, nullable=False),  # 0 to 9; a step doubles its share
    Column("params", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("wanted", String(16), nullable=False),  # run, pause or cancel: what its user wants
    Column("listed", Integer, nullable=False),  # 1: the source's listing is complete
    Column("progress", JSON, nullable=False),
    Column("progress_at", Float),  # when a document was finished last
    Column("error_code", String(64)),
    Column("error", Text),  # of the last attempt; also while another is due
    Column("submitted_by", String(32)),  # a user's id; null: somebody at the machine
    Column("runner", String(64)),
    Column("lease_until", Float),  # a runner that does not renew it by then is taken for dead
    Column("not_before", Float),  # when a queued job is due
    Column("attempts", Integer, nullable=False),  # without progress in between
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Index(None, "state", "created_at"),
    Index(
        "uq_jobs_running",
        "exclusive",
        unique=True,
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
)

runners = Table(
    "runners",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("places", Integer, nullable=False),  # jobs that it works on at once
    Column("seen_at", Float, nullable=False),
)

# How searches of a collection are made, where they are not made as the settings say. What was
# active once stays, with the evidence for it.
recipes = Table(
    "recipes",
    metadata,
    Column("collection", String(64), ForeignKey("collections.name"), primary_key=True),
    Column("version", String(32), primary_key=True),
    Column("recipe", JSON, nullable=False),
    Column("evidence", JSON),  # null: somebody set it by hand
    Column("created_at", Float, nullable=False),
    Column("active", Integer, nullable=False),  # 1: searches use it; one of a collection at most
    Index(
        "uq_recipes_active",
        "collection",
        unique=True,
        sqlite_where=text("active = 1"),
        postgresql_where=text("active = 1"),
    ),
)

# What the language model is told, and which versions were active when: a null collection stands
# for all that have none of their own. Rows are added and never changed.
prompts = Table(
    "prompts",
    metadata,
    Column("id", String(32), primary_key=True),  # a hash of kind, collection and version
    Column("kind", String(16), nullable=False),
    Column("version", String(32), nullable=False),  # a hash of the body
    Column("collection", String(64), ForeignKey("collections.name")),
    Column("body", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("created_by", String(300), nullable=False),
    Column("note", Text, nullable=False),
    Index(None, "collection", "kind"),
)

prompt_activations = Table(
    "prompt_activations",
    metadata,
    Column("id", Integer, primary_key=True),  # the highest holds
    Column("kind", String(16), nullable=False),
    Column("collection", String(64), ForeignKey("collections.name")),
    Column("shares", JSON, nullable=False),  # [[version, share], …]; []: what holds for all
    Column("restores", Integer),  # the activation that a rollback went back to
    Column("created_at", Float, nullable=False),
    Column("created_by", String(300), nullable=False),
    Column("note", Text, nullable=False),
    Index(None, "collection", "kind", "id"),
)

# What users said of hits.
feedback = Table(
    "feedback",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("collection", String(64), ForeignKey("collections.name"), nullable=False, index=True),
    Column("query", Text, nullable=False),
    Column("document_id", String(32), nullable=False, index=True),
    Column("chunk_id", String(32)),
    Column("relevant", Integer, nullable=False),
    Column("prompt_version", String(32)),  # of the answer that showed the hit, where one did
    Column("created_at", Float, nullable=False),
)
