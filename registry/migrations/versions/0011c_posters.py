"""Applications for venue codes, posters, alarms and sightings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0011c"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "posters",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("venue_id", sa.String(length=26), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("code_id", sa.String(length=16), nullable=False),
        sa.Column("place", sa.String(length=60), nullable=True),
        sa.Column("geohash", sa.String(length=9), nullable=True),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("bound_by", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["code_id"], ["codes.id"], name=op.f("fk_posters_code_id_codes")),
        sa.ForeignKeyConstraint(["venue_id"], ["venues.id"], name=op.f("fk_posters_venue_id_venues")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posters")),
        sa.UniqueConstraint("code_id", name=op.f("uq_posters_code_id")),
        sa.UniqueConstraint("venue_id", "number", name="uq_posters_number"),
    )
    op.create_table(
        "venue_applications",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("unit", sa.String(length=18), nullable=False),
        sa.Column("applicant_index", sa.LargeBinary(length=32), nullable=False),
        sa.Column("applicant_role", sa.String(length=10), nullable=False),
        sa.Column("document", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("area_code", sa.String(length=6), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("applied_by", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("venue_id", sa.String(length=26), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("salts", sa.LargeBinary(), nullable=True),
        sa.Column("entry_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["department"], ["departments.code"], name=op.f("fk_venue_applications_department_departments")
        ),
        sa.ForeignKeyConstraint(["venue_id"], ["venues.id"], name=op.f("fk_venue_applications_venue_id_venues")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_venue_applications")),
    )
    op.create_index("ix_venue_applications_department", "venue_applications", ["department", "state"], unique=False)
    op.create_table(
        "poster_alarms",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("poster_id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("note", sa.String(length=300), nullable=False),
        sa.Column("state", sa.String(length=6), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=300), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["poster_id"], ["posters.id"], name=op.f("fk_poster_alarms_poster_id_posters")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_poster_alarms")),
    )
    op.create_index("ix_poster_alarms_poster", "poster_alarms", ["poster_id", "state"], unique=False)
    op.create_table(
        "poster_sightings",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("poster_id", sa.String(length=26), nullable=False),
        sa.Column("cell", sa.String(length=5), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["poster_id"], ["posters.id"], name=op.f("fk_poster_sightings_poster_id_posters")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_poster_sightings")),
    )
    op.create_index("ix_poster_sightings_poster", "poster_sightings", ["poster_id", "seen_at"], unique=False)
    op.create_index(op.f("ix_poster_sightings_seen_at"), "poster_sightings", ["seen_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_poster_sightings_seen_at"), table_name="poster_sightings")
    op.drop_index("ix_poster_sightings_poster", table_name="poster_sightings")
    op.drop_table("poster_sightings")
    op.drop_index("ix_poster_alarms_poster", table_name="poster_alarms")
    op.drop_table("poster_alarms")
    op.drop_index("ix_venue_applications_department", table_name="venue_applications")
    op.drop_table("venue_applications")
    op.drop_table("posters")
