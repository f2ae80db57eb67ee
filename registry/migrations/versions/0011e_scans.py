"""Scans by departments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0011e"
down_revision = "0012b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scans",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("code_id", sa.String(length=16), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("purpose", sa.String(length=200), nullable=False),
        sa.Column("scanned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scanned_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["code_id"], ["codes.id"], name=op.f("fk_scans_code_id_codes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scans")),
    )
    op.create_index("ix_scans_code", "scans", ["code_id", "scanned_at"], unique=False)
    op.create_index(op.f("ix_scans_scanned_at"), "scans", ["scanned_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_scans_scanned_at"), table_name="scans")
    op.drop_index("ix_scans_code", table_name="scans")
    op.drop_table("scans")
