"""Extracts, and the fields that slots of matters need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = "0017"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "extracts",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("certificate_id", sa.String(length=26), nullable=False),
        sa.Column("use_id", sa.String(length=26), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("receiver", sa.String(length=18), nullable=False),
        sa.Column("matter_code", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=200), nullable=False),
        sa.Column("fields", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("device_id", sa.String(length=26), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("salts", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sm3", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["certificates.id"], name=op.f("fk_extracts_certificate_id_certificates")
        ),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_extracts_device_id_devices")),
        sa.ForeignKeyConstraint(["receiver"], ["departments.code"], name=op.f("fk_extracts_receiver_departments")),
        sa.ForeignKeyConstraint(["use_id"], ["uses.id"], name=op.f("fk_extracts_use_id_uses")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_extracts")),
    )
    op.create_index("ix_extracts_certificate", "extracts", ["certificate_id", "id"], unique=False)
    op.create_index("ix_extracts_use", "extracts", ["use_id", "id"], unique=False)
    op.add_column(
        "matter_slots",
        sa.Column(
            "fields", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), server_default="[]", nullable=False
        ),
    )


def downgrade() -> None:
    op.drop_column("matter_slots", "fields")
    op.drop_index("ix_extracts_use", table_name="extracts")
    op.drop_index("ix_extracts_certificate", table_name="extracts")
    op.drop_table("extracts")
