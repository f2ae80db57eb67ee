"""Removals of certificates of others say why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0039"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("trust_certificates") as table:
        table.add_column(sa.Column("removed_because", sa.String(length=200), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("trust_certificates") as table:
        table.drop_column("removed_because")
