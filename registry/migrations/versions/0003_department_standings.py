"""Decisions that a department may act, or may not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "department_standings",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("since_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=False),
        sa.CheckConstraint("state IN ('active', 'suspended')", name=op.f("ck_department_standings_state")),
        sa.ForeignKeyConstraint(
            ["department"], ["departments.code"], name=op.f("fk_department_standings_department_departments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_department_standings")),
    )
    op.create_index(op.f("ix_department_standings_department"), "department_standings", ["department"])


def downgrade() -> None:
    op.drop_table("department_standings")
