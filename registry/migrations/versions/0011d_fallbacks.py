"""Fallback numbers and failed tries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0011d"
down_revision = "0011c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fallback_failures",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fallback_failures")),
    )
    op.create_index("ix_fallback_failures_actor", "fallback_failures", ["actor", "tried_at"], unique=False)
    op.create_index(op.f("ix_fallback_failures_tried_at"), "fallback_failures", ["tried_at"], unique=False)
    op.create_table(
        "fallback_numbers",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("code_id", sa.String(length=16), nullable=False),
        sa.Column("authorisation_id", sa.String(length=26), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_by", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["authorisation_id"],
            ["authorisations.id"],
            name=op.f("fk_fallback_numbers_authorisation_id_authorisations"),
        ),
        sa.ForeignKeyConstraint(["code_id"], ["codes.id"], name=op.f("fk_fallback_numbers_code_id_codes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fallback_numbers")),
    )
    op.create_index(op.f("ix_fallback_numbers_code_id"), "fallback_numbers", ["code_id"], unique=False)
    op.create_index(op.f("ix_fallback_numbers_digest"), "fallback_numbers", ["digest"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_fallback_numbers_digest"), table_name="fallback_numbers")
    op.drop_index(op.f("ix_fallback_numbers_code_id"), table_name="fallback_numbers")
    op.drop_table("fallback_numbers")
    op.drop_index(op.f("ix_fallback_failures_tried_at"), table_name="fallback_failures")
    op.drop_index("ix_fallback_failures_actor", table_name="fallback_failures")
    op.drop_table("fallback_failures")
