"""Disputes, notices, the calendar, and indexes of the search by type and by state."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0009"
down_revision = "0012c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('calendar_days',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('kind', sa.String(length=4), nullable=False),
    sa.Column('name', sa.String(length=30), nullable=False),
    sa.Column('source', sa.String(length=100), nullable=False),
    sa.Column('loaded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('loaded_by', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('day', name=op.f('pk_calendar_days'))
    )
    op.create_table('disputes',
    sa.Column('id', sa.String(length=26), nullable=False),
    sa.Column('certificate_id', sa.String(length=26), nullable=False),
    sa.Column('issuer', sa.String(length=18), nullable=False),
    sa.Column('raised_by', sa.String(length=18), nullable=False),
    sa.Column('clerk', sa.String(length=64), nullable=False),
    sa.Column('for_holder', sa.Boolean(), nullable=False),
    sa.Column('statement', sa.String(length=500), nullable=False),
    sa.Column('state', sa.String(length=9), nullable=False),
    sa.Column('holds', sa.Boolean(), nullable=False),
    sa.Column('raised_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('due_on', sa.Date(), nullable=False),
    sa.Column('accepted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('decided_by', sa.String(length=64), nullable=True),
    sa.Column('outcome', sa.String(length=500), nullable=True),
    sa.Column('successor_id', sa.String(length=26), nullable=True),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('closed_by', sa.String(length=64), nullable=True),
    sa.ForeignKeyConstraint(['certificate_id'], ['certificates.id'], name=op.f('fk_disputes_certificate_id_certificates')),
    sa.ForeignKeyConstraint(['successor_id'], ['certificates.id'], name=op.f('fk_disputes_successor_id_certificates')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_disputes'))
    )
    op.create_index('ix_disputes_certificate', 'disputes', ['certificate_id'], unique=False)
    op.create_index('ix_disputes_issuer', 'disputes', ['issuer', 'state', 'id'], unique=False)
    op.create_index('ix_disputes_raised_by', 'disputes', ['raised_by', 'state', 'id'], unique=False)
    op.create_index('uq_disputes_open', 'disputes', ['certificate_id'], unique=True, sqlite_where=sa.text("state IN ('raised', 'accepted')"), postgresql_where=sa.text("state IN ('raised', 'accepted')"))
    op.create_table('notices',
    sa.Column('id', sa.String(length=26), nullable=False),
    sa.Column('department', sa.String(length=18), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('item_kind', sa.String(length=12), nullable=False),
    sa.Column('item_id', sa.String(length=26), nullable=False),
    sa.Column('use_id', sa.String(length=26), nullable=True),
    sa.Column('dispute_id', sa.String(length=26), nullable=True),
    sa.Column('status', sa.Integer(), nullable=True),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('read_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('read_by', sa.String(length=64), nullable=True),
    sa.ForeignKeyConstraint(['department'], ['departments.code'], name=op.f('fk_notices_department_departments')),
    sa.ForeignKeyConstraint(['use_id'], ['uses.id'], name=op.f('fk_notices_use_id_uses')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notices'))
    )
    op.create_index('ix_notices_department', 'notices', ['department', 'id'], unique=False)
    op.create_index('ix_notices_item', 'notices', ['item_id'], unique=False)
    op.create_index('ix_certificates_status', 'certificates', ['status', 'id'], unique=False, sqlite_where=sa.text('status <> 0'), postgresql_where=sa.text('status <> 0'))
    op.create_index('ix_certificates_type_code', 'certificates', ['type_code', 'id'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_certificates_type_code', table_name='certificates')
    op.drop_index('ix_certificates_status', table_name='certificates', sqlite_where=sa.text('status <> 0'), postgresql_where=sa.text('status <> 0'))
    op.drop_index('ix_notices_item', table_name='notices')
    op.drop_index('ix_notices_department', table_name='notices')
    op.drop_table('notices')
    op.drop_index('uq_disputes_open', table_name='disputes', sqlite_where=sa.text("state IN ('raised', 'accepted')"), postgresql_where=sa.text("state IN ('raised', 'accepted')"))
    op.drop_index('ix_disputes_raised_by', table_name='disputes')
    op.drop_index('ix_disputes_issuer', table_name='disputes')
    op.drop_index('ix_disputes_certificate', table_name='disputes')
    op.drop_table('disputes')
    op.drop_table('calendar_days')
