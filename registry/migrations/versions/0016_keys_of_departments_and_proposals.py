"""Keys that departments hold themselves, what they are handed to sign, and dual control."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = "0016"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dual_control",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_dual_control_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dual_control")),
    )
    op.create_table(
        "proposals",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("action", sa.String(length=24), nullable=False),
        sa.Column("arguments", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("before", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("after", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("proposed_by", sa.String(length=64), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_because", sa.String(length=200), nullable=True),
        sa.CheckConstraint(
            "state IN ('open', 'approved', 'refused', 'withdrawn', 'alone')", name=op.f("ck_proposals_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposals")),
    )
    op.create_index("ix_proposals_state", "proposals", ["state", "id"], unique=False)
    op.create_table(
        "key_challenges",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("suite", sa.Integer(), nullable=False),
        sa.Column("public", sa.LargeBinary(length=33), nullable=False),
        sa.Column("nonce", sa.LargeBinary(length=32), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proof", sa.LargeBinary(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["department"], ["departments.code"], name=op.f("fk_key_challenges_department_departments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_challenges")),
    )
    op.create_index(op.f("ix_key_challenges_department"), "key_challenges", ["department"], unique=False)
    op.create_table(
        "preparations",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("kid", sa.LargeBinary(length=8), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("prepared_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["department"], ["departments.code"], name=op.f("fk_preparations_department_departments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_preparations")),
    )
    op.create_index(op.f("ix_preparations_department"), "preparations", ["department"], unique=False)
    op.create_index(op.f("ix_preparations_expires_at"), "preparations", ["expires_at"], unique=False)
    op.execute("INSERT INTO dual_control (id) VALUES (1)")
    op.add_column("keys", sa.Column("ended_as", sa.String(length=12), nullable=True))
    op.add_column("keys", sa.Column("ended_by", sa.String(length=64), nullable=True))
    op.add_column("keys", sa.Column("ended_reason", sa.String(length=200), nullable=True))
    op.add_column("keys", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("keys", "ended_at")
    op.drop_column("keys", "ended_reason")
    op.drop_column("keys", "ended_by")
    op.drop_column("keys", "ended_as")
    op.drop_index(op.f("ix_preparations_expires_at"), table_name="preparations")
    op.drop_index(op.f("ix_preparations_department"), table_name="preparations")
    op.drop_table("preparations")
    op.drop_index(op.f("ix_key_challenges_department"), table_name="key_challenges")
    op.drop_table("key_challenges")
    op.drop_index("ix_proposals_state", table_name="proposals")
    op.drop_table("proposals")
    op.drop_table("dual_control")
