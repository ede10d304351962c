"""What answers from a collection have to keep beyond the settings."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "safety_overrides",
        sa.Column("collection", sa.String(length=64), nullable=False),
        sa.Column("overrides", sa.JSON(), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.Column("changed_by", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection"], ["collections.name"], name=op.f("fk_safety_overrides_collection")
        ),
        sa.PrimaryKeyConstraint("collection", name=op.f("pk_safety_overrides")),
    )


def downgrade() -> None:
    op.drop_table("safety_overrides")
