"""Phones that show dynamic codes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = "0010"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("devices",
    sa.Column("id", sa.String(length=26), nullable=False),
    sa.Column("holder_index", sa.LargeBinary(length=32), nullable=False),
    sa.Column("public_key", sa.LargeBinary(length=33), nullable=False),
    sa.Column("department", sa.String(length=18), nullable=False),
    sa.Column("code_id", sa.String(length=16), nullable=False),
    sa.Column("enrolled_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("enrolled_by", sa.String(length=64), nullable=False),
    sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
    sa.Column("ended_by_reason", sa.String(length=12), nullable=True),
    sa.ForeignKeyConstraint(["code_id"], ["codes.id"], name=op.f("fk_devices_code_id_codes")),
    sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
    sa.UniqueConstraint("code_id", name=op.f("uq_devices_code_id")),
    sa.UniqueConstraint("public_key", name=op.f("uq_devices_public_key"))
    )
    op.create_index("ix_devices_holder", "devices", ["holder_index", "id"], unique=False)
    op.create_index("uq_devices_in_use", "devices", ["holder_index"], unique=True, sqlite_where=sa.text("ended_at IS NULL"), postgresql_where=sa.text("ended_at IS NULL"))
    op.create_table("enrolment_tickets",
    sa.Column("id", sa.String(length=26), nullable=False),
    sa.Column("secret_sha256", sa.LargeBinary(length=32), nullable=False),
    sa.Column("pin_digest", sa.LargeBinary(length=32), nullable=False),
    sa.Column("holder_index", sa.LargeBinary(length=32), nullable=False),
    sa.Column("wanted", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
    sa.Column("department", sa.String(length=18), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("created_by", sa.String(length=64), nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("attempts", sa.SmallInteger(), nullable=False),
    sa.Column("device_id", sa.String(length=26), nullable=True),
    sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_enrolment_tickets_device_id_devices")),
    sa.PrimaryKeyConstraint("id", name=op.f("pk_enrolment_tickets")),
    sa.UniqueConstraint("secret_sha256", name=op.f("uq_enrolment_tickets_secret_sha256"))
    )
    op.add_column("codes", sa.Column("device_key", sa.LargeBinary(length=33), nullable=True))


def downgrade() -> None:
    op.drop_column("codes", "device_key")
    op.drop_table("enrolment_tickets")
    op.drop_index("uq_devices_in_use", table_name="devices", sqlite_where=sa.text("ended_at IS NULL"), postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_index("ix_devices_holder", table_name="devices")
    op.drop_table("devices")
