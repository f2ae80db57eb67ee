"""The log looks nothing up by leaf hash.

An index over hashes is written all over at every insert: at ten million entries that alone was one page of the
database for every entry. What keeps an entry from entering twice is the index over item and payload.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("uq_log_entries_leaf_hash", table_name="log_entries")


def downgrade() -> None:
    op.create_index(
        "uq_log_entries_leaf_hash",
        "log_entries",
        ["leaf_hash"],
        unique=True,
        sqlite_where=sa.text("leaf_hash IS NOT NULL"),
        postgresql_where=sa.text("leaf_hash IS NOT NULL"),
    )
