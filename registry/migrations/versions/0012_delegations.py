"""Delegations of enterprises, the codes shown under them, and the authorisations that rest on them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('delegations',
    sa.Column('id', sa.String(length=26), nullable=False),
    sa.Column('enterprise', sa.String(length=18), nullable=False),
    sa.Column('parent_id', sa.String(length=26), nullable=True),
    sa.Column('role', sa.SmallInteger(), nullable=False),
    sa.Column('name', sa.String(length=20), nullable=True),
    sa.Column('delegate_index', sa.LargeBinary(length=32), nullable=True),
    sa.Column('suite', sa.Integer(), nullable=False),
    sa.Column('public', sa.LargeBinary(length=33), nullable=False),
    sa.Column('matters', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=True),
    sa.Column('types', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=True),
    sa.Column('issued_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('valid_from_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('valid_to_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('status_list', sa.Integer(), nullable=False),
    sa.Column('status_index', sa.Integer(), nullable=False),
    sa.Column('signer_kid', sa.LargeBinary(length=8), nullable=False),
    sa.Column('payload', sa.LargeBinary(), nullable=False),
    sa.Column('signature', sa.LargeBinary(length=64), nullable=True),
    sa.Column('signed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('document', sa.String(length=100), nullable=True),
    sa.Column('department', sa.String(length=18), nullable=False),
    sa.Column('recorded_by', sa.String(length=64), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('revoked_reason', sa.String(length=200), nullable=True),
    sa.Column('revoked_with', sa.String(length=26), nullable=True),
    sa.CheckConstraint('(signature IS NULL) = (signed_at IS NULL)', name=op.f('ck_delegations_signed')),
    sa.CheckConstraint('role >= 0 AND role <= 2', name=op.f('ck_delegations_role')),
    sa.CheckConstraint('valid_from_at < valid_to_at', name=op.f('ck_delegations_period')),
    sa.ForeignKeyConstraint(['parent_id'], ['delegations.id'], name=op.f('fk_delegations_parent_id_delegations')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_delegations')),
    sa.UniqueConstraint('status_list', 'status_index', name='uq_delegations_slot')
    )
    op.create_index(op.f('ix_delegations_delegate_index'), 'delegations', ['delegate_index'], unique=False)
    op.create_index(op.f('ix_delegations_enterprise'), 'delegations', ['enterprise'], unique=False)
    op.create_index(op.f('ix_delegations_parent_id'), 'delegations', ['parent_id'], unique=False)
    op.create_table('delegation_shown_codes',
    sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('delegation_id', sa.String(length=26), nullable=False),
    sa.Column('department', sa.String(length=18), nullable=False),
    sa.Column('matter_code', sa.String(length=32), nullable=False),
    sa.Column('case_no', sa.String(length=64), nullable=False),
    sa.Column('shown_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['delegation_id'], ['delegations.id'], name=op.f('fk_delegation_shown_codes_delegation_id_delegations')),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_delegation_shown_codes'))
    )
    op.create_index(op.f('ix_delegation_shown_codes_delegation_id'), 'delegation_shown_codes', ['delegation_id'], unique=False)
    with op.batch_alter_table("authorisations") as authorisations:
        authorisations.add_column(sa.Column("delegation_id", sa.String(length=26), nullable=True))
        authorisations.create_index(op.f("ix_authorisations_delegation_id"), ["delegation_id"], unique=False)
        authorisations.create_foreign_key(
            op.f("fk_authorisations_delegation_id_delegations"), "delegations", ["delegation_id"], ["id"]
        )


def downgrade() -> None:
    with op.batch_alter_table("authorisations") as authorisations:
        authorisations.drop_constraint(op.f("fk_authorisations_delegation_id_delegations"), type_="foreignkey")
        authorisations.drop_index(op.f("ix_authorisations_delegation_id"))
        authorisations.drop_column("delegation_id")
    op.drop_index(op.f('ix_delegation_shown_codes_delegation_id'), table_name='delegation_shown_codes')
    op.drop_table('delegation_shown_codes')
    op.drop_index(op.f('ix_delegations_parent_id'), table_name='delegations')
    op.drop_index(op.f('ix_delegations_enterprise'), table_name='delegations')
    op.drop_index(op.f('ix_delegations_delegate_index'), table_name='delegations')
    op.drop_table('delegations')
