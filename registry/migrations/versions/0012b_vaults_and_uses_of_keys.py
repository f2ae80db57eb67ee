"""Where each key is kept, and how often it has signed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0012b"
down_revision = "0011d"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("keys") as keys:
        keys.add_column(sa.Column("vault", sa.String(length=12), server_default="files", nullable=False))
        keys.add_column(sa.Column("uses", sa.BigInteger(), server_default="0", nullable=False))
        keys.add_column(sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("keys") as keys:
        keys.drop_column("last_used_at")
        keys.drop_column("uses")
        keys.drop_column("vault")
