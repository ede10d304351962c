"""Recipes of collections, and what users said of hits."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ACTIVE = sa.text("active = 1")


def upgrade() -> None:
    op.create_table(
        "recipes",
        sa.Column("collection", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("recipe", sa.JSON(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("active", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.name"], name=op.f("fk_recipes_collection")
        ),
        sa.PrimaryKeyConstraint("collection", "version", name=op.f("pk_recipes")),
    )
    op.create_index(
        "uq_recipes_active",
        "recipes",
        ["collection"],
        unique=True,
        sqlite_where=_ACTIVE,
        postgresql_where=_ACTIVE,
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("collection", sa.String(length=64), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("document_id", sa.String(length=32), nullable=False),
        sa.Column("chunk_id", sa.String(length=32), nullable=True),
        sa.Column("relevant", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.name"], name=op.f("fk_feedback_collection")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
    )
    op.create_index(op.f("ix_feedback_collection"), "feedback", ["collection"], unique=False)
    op.create_index(op.f("ix_feedback_document_id"), "feedback", ["document_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_feedback_document_id"), table_name="feedback")
    op.drop_index(op.f("ix_feedback_collection"), table_name="feedback")
    op.drop_table("feedback")
    op.drop_index(
        "uq_recipes_active", table_name="recipes", sqlite_where=_ACTIVE, postgresql_where=_ACTIVE
    )
    op.drop_table("recipes")
