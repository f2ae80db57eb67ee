"""Extracts that wait for the signature of an issuer who signs itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = "0027"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "extract_drafts",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("certificate_id", sa.String(length=26), nullable=False),
        sa.Column("use_id", sa.String(length=26), nullable=False),
        sa.Column("issuer", sa.String(length=18), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("receiver", sa.String(length=18), nullable=False),
        sa.Column("matter_code", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=200), nullable=False),
        sa.Column("fields", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("device_id", sa.String(length=26), nullable=True),
        sa.Column("claims", sa.LargeBinary(), nullable=False),
        sa.Column("disclosures", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["certificates.id"], name=op.f("fk_extract_drafts_certificate_id_certificates")
        ),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_extract_drafts_device_id_devices")),
        sa.ForeignKeyConstraint(["issuer"], ["departments.code"], name=op.f("fk_extract_drafts_issuer_departments")),
        sa.ForeignKeyConstraint(
            ["receiver"], ["departments.code"], name=op.f("fk_extract_drafts_receiver_departments")
        ),
        sa.ForeignKeyConstraint(["use_id"], ["uses.id"], name=op.f("fk_extract_drafts_use_id_uses")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_extract_drafts")),
    )
    op.create_index(op.f("ix_extract_drafts_certificate_id"), "extract_drafts", ["certificate_id"])
    op.create_index(op.f("ix_extract_drafts_issuer"), "extract_drafts", ["issuer"])


def downgrade() -> None:
    op.drop_table("extract_drafts")
