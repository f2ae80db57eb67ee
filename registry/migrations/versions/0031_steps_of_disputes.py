"""Steps of disputes as their entries commit to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0031"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("dispute_steps",
    sa.Column("id", sa.String(length=26), nullable=False),
    sa.Column("dispute_id", sa.String(length=26), nullable=False),
    sa.Column("department", sa.String(length=18), nullable=False),
    sa.Column("step", sa.String(length=9), nullable=False),
    sa.Column("content", sa.LargeBinary(), nullable=False),
    sa.Column("salts", sa.LargeBinary(), nullable=False),
    sa.Column("entry_id", sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(["dispute_id"], ["disputes.id"], name=op.f("fk_dispute_steps_dispute_id_disputes")),
    sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute_steps")),
    sa.UniqueConstraint("dispute_id", "step", name="uq_dispute_steps_step")
    )


def downgrade() -> None:
    op.drop_table("dispute_steps")
