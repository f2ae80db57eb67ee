"""A phone's delegations are found by its key, and materials by their case."""

from __future__ import annotations

from alembic import op


revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_delegations_public"), "delegations", ["public"])
    op.create_index("ix_materials_case_no", "materials", ["case_no", "id"])


def downgrade() -> None:
    op.drop_index("ix_materials_case_no", table_name="materials")
    op.drop_index(op.f("ix_delegations_public"), table_name="delegations")
