"""Local codes of types, and drafts of their next versions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = '0019'
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('local_type_codes',
    sa.Column('local_code', sa.String(length=20), nullable=False),
    sa.Column('type_code', sa.String(length=21), nullable=False),
    sa.Column('added_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('added_by', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['type_code'], ['certificate_types.code'], name=op.f('fk_local_type_codes_type_code_certificate_types')),
    sa.PrimaryKeyConstraint('local_code', name=op.f('pk_local_type_codes'))
    )
    op.create_index(op.f('ix_local_type_codes_type_code'), 'local_type_codes', ['type_code'], unique=False)
    op.create_table('type_drafts',
    sa.Column('id', sa.String(length=26), nullable=False),
    sa.Column('type_code', sa.String(length=21), nullable=True),
    sa.Column('content', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('previous', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=True),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('changed_by', sa.String(length=64), nullable=False),
    sa.Column('discarded_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['type_code'], ['certificate_types.code'], name=op.f('fk_type_drafts_type_code_certificate_types')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_type_drafts'))
    )
    op.create_index(op.f('ix_type_drafts_type_code'), 'type_drafts', ['type_code'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_type_drafts_type_code'), table_name='type_drafts')
    op.drop_table('type_drafts')
    op.drop_index(op.f('ix_local_type_codes_type_code'), table_name='local_type_codes')
    op.drop_table('local_type_codes')
