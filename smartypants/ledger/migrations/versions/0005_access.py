"""Who may do what: users, groups, API keys, sessions, grants; where chunks carry an old ACL."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "auth_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("bootstrapped_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auth_state")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("disabled", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )
    op.create_table(
        "identities",
        sa.Column("issuer", sa.String(length=300), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        _user_id(),
        sa.Column("created_at", sa.Float(), nullable=False),
        _of_user("identities"),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_identities")),
    )
    op.create_table(
        "groups",
        sa.Column("name", sa.String(length=290), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_groups")),
    )
    op.create_table(
        "memberships",
        sa.Column("group_name", sa.String(length=290), nullable=False),
        _user_id(),
        sa.Column("origin", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_name"], ["groups.name"], name=op.f("fk_memberships_group_name")
        ),
        _of_user("memberships"),
        sa.PrimaryKeyConstraint("group_name", "user_id", "origin", name=op.f("pk_memberships")),
    )
    op.create_table(
        "grants",
        sa.Column("collection", sa.String(length=64), nullable=False),
        sa.Column("principal", sa.String(length=300), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("collection", "principal", name=op.f("pk_grants")),
    )
    op.create_index(op.f("ix_grants_principal"), "grants", ["principal"], unique=False)
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        _user_id(),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=True),
        sa.Column("last_used_at", sa.Float(), nullable=True),
        sa.Column("revoked_at", sa.Float(), nullable=True),
        sa.Column("replaced_by", sa.String(length=16), nullable=True),
        _of_user("api_keys"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_table(
        "sessions",
        sa.Column("hash", sa.String(length=64), nullable=False),
        _user_id(),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("seen_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        _of_user("sessions"),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"], unique=False)
    op.create_table(
        "logins",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("issuer", sa.String(length=64), nullable=False),
        sa.Column("verifier", sa.String(length=128), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("return_to", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_logins")),
    )
    op.create_index(op.f("ix_logins_expires_at"), "logins", ["expires_at"], unique=False)
    for table in _WITH_USERS:
        op.create_index(op.f(f"ix_{table}_user_id"), table, ["user_id"], unique=False)
    with op.batch_alter_table("documents") as changed:
        changed.add_column(sa.Column("placed_acl_id", sa.Integer(), nullable=True))
    with op.batch_alter_table("jobs") as changed:
        changed.add_column(sa.Column("submitted_by", sa.String(length=32), nullable=True))


_WITH_USERS = ("identities", "memberships", "api_keys", "sessions")


def _user_id() -> sa.Column[str]:
    return sa.Column("user_id", sa.String(length=32), nullable=False)


def _of_user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f(f"fk_{table}_user_id"))


def downgrade() -> None:
    with op.batch_alter_table("jobs") as changed:
        changed.drop_column("submitted_by")
    with op.batch_alter_table("documents") as changed:
        changed.drop_column("placed_acl_id")
    for table in _WITH_USERS:
        op.drop_index(op.f(f"ix_{table}_user_id"), table_name=table)
    op.drop_index(op.f("ix_logins_expires_at"), table_name="logins")
    op.drop_index(op.f("ix_sessions_expires_at"), table_name="sessions")
    op.drop_index(op.f("ix_grants_principal"), table_name="grants")
    for table in (
        "logins", "sessions", "api_keys", "grants", "memberships", "groups", "identities", "users",
        "auth_state",
    ):  # fmt: skip
        op.drop_table(table)
