"""Derived copies that can be revoked alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0021b"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("derived_copies") as table:
        table.add_column(sa.Column("status_list", sa.Integer(), nullable=True))
        table.add_column(sa.Column("status_index", sa.Integer(), nullable=True))
        table.add_column(sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("revoked_by", sa.String(length=64), nullable=True))
        table.add_column(sa.Column("revoked_reason", sa.String(length=200), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("derived_copies") as table:
        for name in ("revoked_reason", "revoked_by", "revoked_at", "status_index", "status_list"):
            table.drop_column(name)
