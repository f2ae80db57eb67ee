"""Root documents of trust bundles, and certificates of others that they carry."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0012c"
down_revision = "0011e"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trust_roots",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("installed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_trust_roots")),
    )
    op.create_table(
        "trust_certificates",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("profile", sa.String(length=32), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("removed_by", sa.String(length=64), nullable=True),
        sa.CheckConstraint("kind IN ('seal_maker', 'issuer')", name=op.f("ck_trust_certificates_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trust_certificates")),
    )
    op.create_index(op.f("ix_trust_certificates_digest"), "trust_certificates", ["digest"], unique=False)


def downgrade() -> None:
    op.drop_table("trust_certificates")
    op.drop_table("trust_roots")
