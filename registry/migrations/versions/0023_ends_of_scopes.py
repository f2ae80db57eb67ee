"""Ends of scopes that are earlier than they were granted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0023"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('scope_ends',
    sa.Column('id', sa.String(length=26), nullable=False),
    sa.Column('scope_id', sa.String(length=26), nullable=False),
    sa.Column('valid_to_on', sa.Date(), nullable=False),
    sa.Column('ended_on_before', sa.Date(), nullable=True),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('decided_by', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['scope_id'], ['scopes.id'], name=op.f('fk_scope_ends_scope_id_scopes')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_scope_ends'))
    )
    op.create_index(op.f('ix_scope_ends_scope_id'), 'scope_ends', ['scope_id'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_scope_ends_scope_id'), table_name='scope_ends')
    op.drop_table('scope_ends')
