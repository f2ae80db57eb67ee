"""What departments should have issued, and the index of days of issue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0014"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "issue_reports",
        sa.Column("type_code", sa.String(length=21), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("should_issue", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reported_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["type_code"], ["certificate_types.code"], name=op.f("fk_issue_reports_type_code_certificate_types")
        ),
        sa.PrimaryKeyConstraint("type_code", "department", "month", name=op.f("pk_issue_reports")),
    )
    op.create_index(
        "ix_certificates_issued_on",
        "certificates",
        ["issued_on", "type_code", "department", "registered_at"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index("ix_certificates_issued_on", table_name="certificates")
    op.drop_table("issue_reports")
