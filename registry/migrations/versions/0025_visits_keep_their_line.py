"""Visits keep all that their line says, so that an auditor can make it anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0025"
down_revision = "0023b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("visits") as table:
        table.add_column(sa.Column("code_issued_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("previous", sa.LargeBinary(length=32), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("visits") as table:
        table.drop_column("previous")
        table.drop_column("code_issued_at")
