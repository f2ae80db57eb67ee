"""derived copies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0008"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('derived_copies',
    sa.Column('id', sa.String(length=26), nullable=False),
    sa.Column('certificate_id', sa.String(length=26), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('department', sa.String(length=18), nullable=False),
    sa.Column('matter_code', sa.String(length=32), nullable=False),
    sa.Column('purpose', sa.String(length=100), nullable=False),
    sa.Column('receiver', sa.String(length=60), nullable=False),
    sa.Column('masked', sa.Boolean(), nullable=False),
    sa.Column('use_id', sa.String(length=26), nullable=True),
    sa.Column('authorisation_id', sa.String(length=26), nullable=True),
    sa.Column('file', sa.LargeBinary(length=32), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('made_by', sa.String(length=64), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.Column('salts', sa.LargeBinary(), nullable=False),
    sa.Column('sha256', sa.LargeBinary(length=32), nullable=False),
    sa.Column('sm3', sa.LargeBinary(length=32), nullable=False),
    sa.ForeignKeyConstraint(['authorisation_id'], ['authorisations.id'], name=op.f('fk_derived_copies_authorisation_id_authorisations')),
    sa.ForeignKeyConstraint(['certificate_id'], ['certificates.id'], name=op.f('fk_derived_copies_certificate_id_certificates')),
    sa.ForeignKeyConstraint(['file'], ['files.sha256'], name=op.f('fk_derived_copies_file_files')),
    sa.ForeignKeyConstraint(['use_id'], ['uses.id'], name=op.f('fk_derived_copies_use_id_uses')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_derived_copies')),
    sa.UniqueConstraint('certificate_id', 'number', name='uq_derived_copies_number')
    )
    op.create_index('ix_derived_copies_department', 'derived_copies', ['department', 'id'], unique=False)
    op.create_index(op.f('ix_derived_copies_file'), 'derived_copies', ['file'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_derived_copies_file'), table_name='derived_copies')
    op.drop_index('ix_derived_copies_department', table_name='derived_copies')
    op.drop_table('derived_copies')
