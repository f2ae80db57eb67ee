"""Proofs of anchors, and the same head anchored on two chains."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0005"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("anchors") as anchors:
        anchors.drop_constraint("pk_anchors", type_="primary")
        anchors.create_primary_key("pk_anchors", ["size", "chain_id", "contract"])
    op.create_table(
        "anchor_chains",
        sa.Column("chain_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("contract", sa.String(length=42), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("log_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("layout", sa.Integer(), nullable=False),
        sa.Column("engine", sa.String(length=20), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("chain_id", "contract", name=op.f("pk_anchor_chains")),
    )
    op.create_table(
        "anchor_validators",
        sa.Column("chain_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("contract", sa.String(length=42), nullable=False),
        sa.Column("from_block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("addresses", sa.LargeBinary(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["chain_id", "contract"],
            ["anchor_chains.chain_id", "anchor_chains.contract"],
            name=op.f("fk_anchor_validators_chain_id_anchor_chains"),
        ),
        sa.PrimaryKeyConstraint("chain_id", "contract", "from_block", name=op.f("pk_anchor_validators")),
    )
    op.create_table(
        "anchor_proofs",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("chain_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("contract", sa.String(length=42), nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["size", "chain_id", "contract"],
            ["anchors.size", "anchors.chain_id", "anchors.contract"],
            name=op.f("fk_anchor_proofs_size_anchors"),
        ),
        sa.PrimaryKeyConstraint("size", "chain_id", "contract", name=op.f("pk_anchor_proofs")),
    )


def downgrade() -> None:
    op.drop_table("anchor_proofs")
    op.drop_table("anchor_validators")
    op.drop_table("anchor_chains")
    with op.batch_alter_table("anchors") as anchors:
        anchors.drop_constraint("pk_anchors", type_="primary")
        anchors.create_primary_key("pk_anchors", ["size"])
