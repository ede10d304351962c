"""Durable jobs: leases, priorities, what their users want, retries of documents."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_RUNNING = sa.text("state = 'running'")


def upgrade() -> None:
    op.create_table(
        "runners",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("places", sa.Integer(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runners")),
    )
    with op.batch_alter_table("documents") as table:
        table.add_column(sa.Column("retry_at", sa.Float(), nullable=True))
    with op.batch_alter_table("jobs") as table:
        table.add_column(sa.Column("exclusive", sa.String(32), nullable=False, server_default=""))
        table.add_column(sa.Column("priority", sa.Integer(), nullable=False, server_default="5"))
        table.add_column(sa.Column("wanted", sa.String(16), nullable=False, server_default="run"))
        table.add_column(sa.Column("listed", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("progress_at", sa.Float(), nullable=True))
        table.add_column(sa.Column("lease_until", sa.Float(), nullable=True))
        table.add_column(sa.Column("not_before", sa.Float(), nullable=True))
        table.drop_column("source_id")
        table.drop_column("heartbeat_at")
    # What ran under the former rules is queued again; nothing of it is lost.
    op.execute("UPDATE jobs SET exclusive = id")
    op.execute("UPDATE jobs SET state = 'queued', runner = NULL WHERE state = 'running'")
    with op.batch_alter_table("jobs") as table:
        for name in ("exclusive", "priority", "wanted", "listed"):
            table.alter_column(name, server_default=None)
    op.create_index(
        "uq_jobs_running",
        "jobs",
        ["exclusive"],
        unique=True,
        sqlite_where=_RUNNING,
        postgresql_where=_RUNNING,
    )


def downgrade() -> None:
    op.drop_index("uq_jobs_running", table_name="jobs")
    op.execute("UPDATE jobs SET state = 'queued' WHERE state IN ('running', 'paused')")
    op.execute("UPDATE jobs SET state = 'failed' WHERE state = 'cancelled'")
    with op.batch_alter_table("jobs") as table:
        table.add_column(sa.Column("heartbeat_at", sa.Float(), nullable=True))
        table.add_column(sa.Column("source_id", sa.String(32), nullable=True))
        for name in (
            "not_before", "lease_until", "progress_at", "listed", "wanted", "priority", "exclusive",
        ):  # fmt: skip
            table.drop_column(name)
    with op.batch_alter_table("documents") as table:
        table.drop_column("retry_at")
    op.drop_table("runners")
