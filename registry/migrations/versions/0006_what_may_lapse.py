"""An index of the certificates that may still lapse, by their last day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0006"
down_revision = "0008"
branch_labels = None
depends_on = None

_LAPSING = sa.text("valid_to_on IS NOT NULL AND status IN (0, 2, 15)")


def upgrade() -> None:
    op.create_index(
        "ix_certificates_lapsing",
        "certificates",
        ["valid_to_on"],
        sqlite_where=_LAPSING,
        postgresql_where=_LAPSING,
    )


def downgrade() -> None:
    op.drop_index("ix_certificates_lapsing", table_name="certificates")
