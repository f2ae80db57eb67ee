"""How Alembic reaches the database: always through a connection that the caller opened."""

from __future__ import annotations

from typing import Literal

from alembic import context
from sqlalchemy import JSON, MetaData

import registry.accounts.tables
import registry.applications.tables
import registry.authorisations.tables
import registry.calendar.tables
import registry.catalogue.tables
import registry.certificates.tables
import registry.codes.tables
import registry.components.tables
import registry.copies.tables
import registry.delegations.tables
import registry.departments.tables
import registry.devices.tables
import registry.disputes.tables
import registry.extracts.tables
import registry.factors.tables
import registry.fallbacks.tables
import registry.files.tables
import registry.idempotency.tables
import registry.imports.tables
import registry.invoices.tables
import registry.keys.tables
import registry.log.tables
import registry.materials.tables
import registry.notices.tables
import registry.posters.tables
import registry.proposals.tables
import registry.quality.tables
import registry.relatives.tables
import registry.scans.tables
import registry.signing.tables
import registry.statuses.tables
import registry.trust.tables
import registry.uses.tables
import registry.venues.tables
import registry.witnesses.tables  # noqa: F401 (every table module is imported for its tables)
from registry.database import Base, UtcDateTime

TABLES: MetaData = Base.metadata


def _render(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Types of our own as what they are in the database: a migration must not change when the code does."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, JSON):
        return "sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')"
    return False


def run() -> None:
    """Run the migrations that are missing, on the connection in the config's attributes."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=TABLES,
        compare_type=True,
        compare_server_default=True,
        render_item=_render,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
