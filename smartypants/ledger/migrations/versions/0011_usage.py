"""What was used, by whom, of which model, in which hour."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_KEY = {"user_id": 32, "key_id": 16, "route": 100, "collection": 64, "provider": 100, "model": 200}
_COUNTS = (
    "requests", "calls", "prompt_tokens", "completion_tokens", "embeddings", "documents",
    "unpriced", "estimated",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "usage",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.String(length=size), nullable=False) for name, size in _KEY.items()),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _COUNTS),
        sa.Column("cost", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("hour", *_KEY, name=op.f("pk_usage")),
    )


def downgrade() -> None:
    op.drop_table("usage")
