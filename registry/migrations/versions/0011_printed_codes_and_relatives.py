"""Printed codes and relatives."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0011"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "relatives",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("holder_index", sa.LargeBinary(length=32), nullable=False),
        sa.Column("relative_index", sa.LargeBinary(length=32), nullable=False),
        sa.Column("relation", sa.String(length=12), nullable=False),
        sa.Column("document", sa.String(length=200), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bound_by", sa.String(length=64), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_relatives")),
    )
    op.create_index("ix_relatives_holder", "relatives", ["holder_index", "revoked_at"])
    op.create_index("ix_relatives_relative", "relatives", ["relative_index", "revoked_at"])
    op.add_column("codes", sa.Column("claimed_by", sa.String(length=26), nullable=True))


def downgrade() -> None:
    op.drop_column("codes", "claimed_by")
    op.drop_table("relatives")
