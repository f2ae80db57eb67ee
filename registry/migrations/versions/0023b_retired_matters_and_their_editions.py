"""Retired matters and their editions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = "0023b"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('matter_editions',
    sa.Column('matter_code', sa.String(length=32), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('content', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('until_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('changed_by', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['matter_code'], ['matters.code'], name=op.f('fk_matter_editions_matter_code_matters')),
    sa.PrimaryKeyConstraint('matter_code', 'revision', name=op.f('pk_matter_editions'))
    )
    with op.batch_alter_table("matters") as table:
        table.add_column(sa.Column("revision", sa.Integer(), server_default="1", nullable=False))
        table.add_column(sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("retired_because", sa.String(length=200), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("matters") as table:
        for name in ("retired_because", "retired_at", "revision"):
            table.drop_column(name)
    op.drop_table('matter_editions')
