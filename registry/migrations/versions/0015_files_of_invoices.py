"""Files that invoices were handed in as."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "invoice_files",
        sa.Column("material_id", sa.String(length=26), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("handed_in_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handed_in_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["material_id"], ["materials.id"], name=op.f("fk_invoice_files_material_id_materials")),
        sa.ForeignKeyConstraint(["sha256"], ["files.sha256"], name=op.f("fk_invoice_files_sha256_files")),
        sa.PrimaryKeyConstraint("material_id", "sha256", "department", name=op.f("pk_invoice_files")),
    )


def downgrade() -> None:
    op.drop_table("invoice_files")
