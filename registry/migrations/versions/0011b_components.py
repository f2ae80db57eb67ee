"""Components, their faults and their inspections."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0011b"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "components",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("place", sa.String(length=60), nullable=False),
        sa.Column("unit", sa.String(length=18), nullable=False),
        sa.Column("unit_name", sa.String(length=100), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("code_id", sa.String(length=16), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("registered_by", sa.String(length=64), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("salts", sa.LargeBinary(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["code_id"], ["codes.id"], name=op.f("fk_components_code_id_codes")),
        sa.ForeignKeyConstraint(
            ["department"], ["departments.code"], name=op.f("fk_components_department_departments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_components")),
        sa.UniqueConstraint("code", name=op.f("uq_components_code")),
    )
    op.create_index("ix_components_department", "components", ["department", "code"], unique=False)
    op.create_table(
        "component_faults",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("component_id", sa.String(length=26), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("photo", sa.LargeBinary(length=32), nullable=True),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handling", sa.String(length=500), nullable=True),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("handled_by", sa.String(length=64), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["component_id"], ["components.id"], name=op.f("fk_component_faults_component_id_components")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_component_faults")),
    )
    op.create_index("ix_component_faults_component", "component_faults", ["component_id", "reported_at"], unique=False)
    op.create_index(op.f("ix_component_faults_state"), "component_faults", ["state"], unique=False)
    op.create_table(
        "component_inspections",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("component_id", sa.String(length=26), nullable=False),
        sa.Column("result", sa.String(length=10), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("inspected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("inspected_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["component_id"], ["components.id"], name=op.f("fk_component_inspections_component_id_components")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_component_inspections")),
    )
    op.create_index(
        "ix_component_inspections_component", "component_inspections", ["component_id", "inspected_at"], unique=False
    )
    op.add_column("codes", sa.Column("place", sa.String(length=60), nullable=True))


def downgrade() -> None:
    op.drop_column("codes", "place")
    op.drop_index("ix_component_inspections_component", table_name="component_inspections")
    op.drop_table("component_inspections")
    op.drop_index(op.f("ix_component_faults_state"), table_name="component_faults")
    op.drop_index("ix_component_faults_component", table_name="component_faults")
    op.drop_table("component_faults")
    op.drop_index("ix_components_department", table_name="components")
    op.drop_table("components")
