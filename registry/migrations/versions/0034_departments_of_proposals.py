"""Proposals know the department that they come from, so that what waits can be bounded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0034"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("proposals") as table:
        table.add_column(sa.Column("department", sa.String(length=18), nullable=True))
        table.create_foreign_key(op.f("fk_proposals_department_departments"), "departments", ["department"], ["code"])
    op.create_index("ix_proposals_proposed_by", "proposals", ["proposed_by", "state"])
    op.create_index("ix_proposals_department", "proposals", ["department", "proposed_at"])


def downgrade() -> None:
    op.drop_index("ix_proposals_department", table_name="proposals")
    op.drop_index("ix_proposals_proposed_by", table_name="proposals")
    with op.batch_alter_table("proposals") as table:
        table.drop_constraint(op.f("fk_proposals_department_departments"), type_="foreignkey")
        table.drop_column("department")
