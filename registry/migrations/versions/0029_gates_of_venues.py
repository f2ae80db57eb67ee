"""Tokens of gates for some venues alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from registry.database import Json


revision = "0029"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_tokens", sa.Column("venues", Json, nullable=True))


def downgrade() -> None:
    op.drop_column("api_tokens", "venues")
