"""Where files lie sealed, under which master keys, and whose quota they count against."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = "0018"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "file_masters",
        sa.Column("id", sa.LargeBinary(length=8), nullable=False),
        sa.Column("vault", sa.String(length=12), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file_masters")),
    )
    # No batch: on SQLite it would drop the table, to which other tables refer.
    op.add_column("files", sa.Column("department", sa.String(length=18), nullable=True))
    op.add_column("files", sa.Column("object", sa.String(length=64), nullable=True))
    op.add_column("files", sa.Column("master", sa.LargeBinary(length=8), nullable=True))
    op.add_column("files", sa.Column("wrapped", sa.LargeBinary(), nullable=True))
    op.create_index("ix_files_department", "files", ["department", "stored_at"])
    op.create_index(op.f("ix_files_master"), "files", ["master"])
    op.create_index("uq_files_object", "files", ["object"], unique=True)


def downgrade() -> None:
    for index in ("uq_files_object", op.f("ix_files_master"), "ix_files_department"):
        op.drop_index(index, table_name="files")
    for column in ("wrapped", "master", "object", "department"):
        op.drop_column("files", column)
    op.drop_table("file_masters")
