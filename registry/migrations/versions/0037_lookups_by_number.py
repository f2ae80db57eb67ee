"""Look-ups say by what was looked: a holder's number, or one that is printed on a certificate."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0037"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index(op.f("ix_certificate_lookups_holder_index"), table_name="certificate_lookups")
    with op.batch_alter_table("certificate_lookups") as table:
        table.alter_column("holder_index", new_column_name="sought_index", existing_type=sa.LargeBinary(length=32))
        table.add_column(sa.Column("sought", sa.String(length=12), nullable=True))
    op.execute("UPDATE certificate_lookups SET sought = 'holder'")
    with op.batch_alter_table("certificate_lookups") as table:
        table.alter_column("sought", existing_type=sa.String(length=12), nullable=False)
    op.create_index(op.f("ix_certificate_lookups_sought_index"), "certificate_lookups", ["sought_index"])


def downgrade() -> None:
    # What was sought by another number than a holder's has no place there.
    op.execute("DELETE FROM certificate_lookups WHERE sought <> 'holder'")
    op.drop_index(op.f("ix_certificate_lookups_sought_index"), table_name="certificate_lookups")
    with op.batch_alter_table("certificate_lookups") as table:
        table.drop_column("sought")
        table.alter_column("sought_index", new_column_name="holder_index", existing_type=sa.LargeBinary(length=32))
    op.create_index(op.f("ix_certificate_lookups_holder_index"), "certificate_lookups", ["holder_index"])
