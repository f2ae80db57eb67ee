"""Lists of a period walk the index of days of issue; who looked a holder up is written down."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0024"
down_revision = "0021b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "certificate_lookups",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("holder_index", sa.LargeBinary(length=32), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=True),
        sa.Column("purpose", sa.String(length=200), nullable=False),
        sa.Column("looked_up_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_lookups")),
    )
    op.create_index(op.f("ix_certificate_lookups_holder_index"), "certificate_lookups", ["holder_index"], unique=False)
    op.drop_index("ix_certificates_issued_on", table_name="certificates")
    op.create_index(
        "ix_certificates_issued_on",
        "certificates",
        ["issued_on", "id", "type_code", "department", "registered_at"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index("ix_certificates_issued_on", table_name="certificates")
    op.create_index(
        "ix_certificates_issued_on",
        "certificates",
        ["issued_on", "type_code", "department", "registered_at"],
        unique=False,
    )
    op.drop_index(op.f("ix_certificate_lookups_holder_index"), table_name="certificate_lookups")
    op.drop_table("certificate_lookups")
