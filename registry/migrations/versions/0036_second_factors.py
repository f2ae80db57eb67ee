"""Second factors of accounts, half sessions, and sessions that are for setting one up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0036"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("factor_enrolments",
    sa.Column("staff_id", sa.String(length=26), nullable=False),
    sa.Column("sealed", sa.LargeBinary(length=200), nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_factor_enrolments_staff_id_staff")),
    sa.PrimaryKeyConstraint("staff_id", name=op.f("pk_factor_enrolments"))
    )
    op.create_table("factor_events",
    sa.Column("id", sa.String(length=26), nullable=False),
    sa.Column("staff_id", sa.String(length=26), nullable=False),
    sa.Column("what", sa.String(length=16), nullable=False),
    sa.Column("by", sa.String(length=64), nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_factor_events_staff_id_staff")),
    sa.PrimaryKeyConstraint("id", name=op.f("pk_factor_events"))
    )
    op.create_index(op.f("ix_factor_events_staff_id"), "factor_events", ["staff_id"], unique=False)
    op.create_table("half_sessions",
    sa.Column("secret_sha256", sa.LargeBinary(length=32), nullable=False),
    sa.Column("staff_id", sa.String(length=26), nullable=False),
    sa.Column("password_sha256", sa.LargeBinary(length=32), nullable=False),
    sa.Column("tried", sa.Boolean(), nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_half_sessions_staff_id_staff")),
    sa.PrimaryKeyConstraint("secret_sha256", name=op.f("pk_half_sessions"))
    )
    op.create_index(op.f("ix_half_sessions_expires_at"), "half_sessions", ["expires_at"], unique=False)
    op.create_index(op.f("ix_half_sessions_staff_id"), "half_sessions", ["staff_id"], unique=False)
    op.create_table("recovery_codes",
    sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
    sa.Column("staff_id", sa.String(length=26), nullable=False),
    sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_recovery_codes_staff_id_staff")),
    sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_recovery_codes"))
    )
    op.create_index(op.f("ix_recovery_codes_staff_id"), "recovery_codes", ["staff_id"], unique=False)
    op.create_table("second_factors",
    sa.Column("staff_id", sa.String(length=26), nullable=False),
    sa.Column("sealed", sa.LargeBinary(length=200), nullable=False),
    sa.Column("last_step", sa.BigInteger(), nullable=False),
    sa.Column("since_at", sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_second_factors_staff_id_staff")),
    sa.PrimaryKeyConstraint("staff_id", name=op.f("pk_second_factors"))
    )
    op.add_column("staff_sessions", sa.Column("must_enrol", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("staff_sessions", "must_enrol")
    op.drop_table("second_factors")
    op.drop_index(op.f("ix_recovery_codes_staff_id"), table_name="recovery_codes")
    op.drop_table("recovery_codes")
    op.drop_index(op.f("ix_half_sessions_staff_id"), table_name="half_sessions")
    op.drop_index(op.f("ix_half_sessions_expires_at"), table_name="half_sessions")
    op.drop_table("half_sessions")
    op.drop_index(op.f("ix_factor_events_staff_id"), table_name="factor_events")
    op.drop_table("factor_events")
    op.drop_table("factor_enrolments")
