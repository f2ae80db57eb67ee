"""Wrong passwords are counted by account and place, and accounts know browsers; nothing locks an account."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0033"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "login_tries",
        sa.Column("name", sa.LargeBinary(length=32), nullable=False),
        sa.Column("place", sa.LargeBinary(length=32), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("free_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", "place", name=op.f("pk_login_tries")),
    )
    op.create_index(op.f("ix_login_tries_seen_at"), "login_tries", ["seen_at"])
    op.create_table(
        "known_browsers",
        sa.Column("secret_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("staff_id", sa.String(length=26), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_known_browsers_staff_id_staff")),
        sa.PrimaryKeyConstraint("secret_sha256", "staff_id", name=op.f("pk_known_browsers")),
    )
    op.create_index(op.f("ix_known_browsers_staff_id"), "known_browsers", ["staff_id"])
    op.create_index(op.f("ix_known_browsers_seen_at"), "known_browsers", ["seen_at"])
    with op.batch_alter_table("staff") as table:
        table.drop_column("failures")
        table.drop_column("locked_until_at")


def downgrade() -> None:
    with op.batch_alter_table("staff") as table:
        table.add_column(sa.Column("locked_until_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
    op.drop_table("known_browsers")
    op.drop_table("login_tries")
