"""Documents over time: versions, relations, and generations of a collection."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "versions",
        sa.Column("document_id", sa.String(length=32), nullable=False),
        sa.Column("indexed_at", sa.Float(), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("etag", sa.String(length=300), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("chunk_count", sa.Integer(), nullable=False),
        sa.Column("replaced_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("document_id", "indexed_at", name=op.f("pk_versions")),
    )
    op.create_table(
        "relations",
        sa.Column("document_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("other_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "kind", "other_id", name=op.f("pk_relations")),
    )
    op.create_index(op.f("ix_relations_other_id"), "relations", ["other_id"], unique=False)
    op.create_table(
        "generations",
        sa.Column("physical", sa.String(length=200), nullable=False),
        sa.Column("collection", sa.String(length=64), nullable=False),
        sa.Column("embedding_model", sa.String(length=300), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("recipe", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.name"], name=op.f("fk_generations_collection")
        ),
        sa.PrimaryKeyConstraint("physical", name=op.f("pk_generations")),
    )
    op.create_index(op.f("ix_generations_collection"), "generations", ["collection"], unique=False)
    op.create_table(
        "staged",
        sa.Column("physical", sa.String(length=200), nullable=False),
        sa.Column("document_id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("acl_id", sa.Integer(), nullable=False),
        sa.Column("chunk_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["physical"], ["generations.physical"], name=op.f("fk_staged_physical")
        ),
        sa.PrimaryKeyConstraint("physical", "document_id", name=op.f("pk_staged")),
    )
    op.create_index(
        op.f("ix_documents_indexed_version"), "documents", ["indexed_version"], unique=False
    )
    op.execute(
        "INSERT INTO versions (document_id, indexed_at, version, etag, size, chunk_count) "
        "SELECT id, COALESCE(indexed_at, updated_at), indexed_version, etag, size, chunk_count "
        "FROM documents WHERE indexed_version IS NOT NULL AND state != 'deleted'"
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_documents_indexed_version"), table_name="documents")
    op.drop_table("staged")
    op.drop_index(op.f("ix_generations_collection"), table_name="generations")
    op.drop_table("generations")
    op.drop_index(op.f("ix_relations_other_id"), table_name="relations")
    op.drop_table("relations")
    op.drop_table("versions")
