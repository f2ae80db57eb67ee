"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "certificate_types",
        sa.Column("code", sa.String(length=21), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("definer_code", sa.String(length=18), nullable=False),
        sa.Column("definer_name", sa.String(length=200), nullable=False),
        sa.Column("one_time", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("installed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('certificate', 'material')", name=op.f("ck_certificate_types_kind")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_certificate_types")),
        sa.UniqueConstraint("number", name=op.f("uq_certificate_types_number")),
    )
    op.create_table(
        "certificates",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("type_code", sa.String(length=21), nullable=False),
        sa.Column("type_version", sa.SmallInteger(), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("identifier", sa.String(length=128), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=3), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("status_list", sa.Integer(), nullable=False),
        sa.Column("status_index", sa.Integer(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("valid_from_on", sa.Date(), nullable=False),
        sa.Column("valid_to_on", sa.Date(), nullable=True),
        sa.Column("associated_identifier", sa.String(length=128), nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("registered_by", sa.String(length=64), nullable=False),
        sa.Column("face", sa.LargeBinary(), nullable=False),
        sa.Column("salts", sa.LargeBinary(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sm3", sa.LargeBinary(length=32), nullable=False),
        sa.Column("raw", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificates")),
        sa.UniqueConstraint("identifier", name="uq_certificates_identifier"),
        sa.UniqueConstraint("number", "type_code", "department", "version", name="uq_certificates_number"),
    )
    op.create_index("ix_certificates_department", "certificates", ["department", "id"], unique=False)
    op.create_table(
        "checkpoints",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("root_signature", sa.LargeBinary(length=64), nullable=False),
        sa.Column("kid", sa.LargeBinary(length=8), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_checkpoints")),
    )
    op.create_table(
        "codes",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("item_id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("status_list", sa.Integer(), nullable=False),
        sa.Column("status_index", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_by", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("replaced_by", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(["replaced_by"], ["codes.id"], name=op.f("fk_codes_replaced_by_codes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_codes")),
        sa.UniqueConstraint("item_id", name=op.f("uq_codes_item_id")),
        sa.UniqueConstraint("kind", "subject", "generation", name="uq_codes_generation"),
    )
    op.create_index("ix_codes_department", "codes", ["department", "issued_at"], unique=False)
    op.create_table(
        "departments",
        sa.Column("code", sa.String(length=18), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("short_name", sa.String(length=50), nullable=False),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("operator", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_departments")),
    )
    op.create_table(
        "files",
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sm3", sa.LargeBinary(length=32), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stored_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_files")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("request_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("body", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("actor", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_at"), "idempotency_keys", ["at"], unique=False)
    op.create_table(
        "identifier_counters",
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("department", "year", name=op.f("pk_identifier_counters")),
    )
    op.create_table(
        "keys",
        sa.Column("kid", sa.LargeBinary(length=8), nullable=False),
        sa.Column("suite", sa.Integer(), nullable=False),
        sa.Column("public", sa.LargeBinary(length=33), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name=op.f("ck_keys_ends_after_it_begins")),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_keys")),
    )
    op.create_index(op.f("ix_keys_purpose"), "keys", ["purpose"], unique=False)
    op.create_index(
        "uq_keys_purpose_in_force",
        "keys",
        ["purpose"],
        unique=True,
        sqlite_where=sa.text("valid_to IS NULL"),
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "log_entries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("item", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("signed", sa.LargeBinary(), nullable=True),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("log_index", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(signed IS NULL) <> (payload IS NULL)", name=op.f("ck_log_entries_one_body")),
        sa.CheckConstraint("(signed IS NULL) = (leaf_hash IS NULL)", name=op.f("ck_log_entries_sealed_whole")),
        sa.CheckConstraint(
            "log_index IS NULL OR signed IS NOT NULL", name=op.f("ck_log_entries_sealed_before_sequenced")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_entries")),
    )
    op.create_index("uq_log_entries_item_payload_digest", "log_entries", ["item", "payload_digest"], unique=True)
    op.create_index(
        "uq_log_entries_leaf_hash",
        "log_entries",
        ["leaf_hash"],
        unique=True,
        sqlite_where=sa.text("leaf_hash IS NOT NULL"),
        postgresql_where=sa.text("leaf_hash IS NOT NULL"),
    )
    op.create_index("uq_log_entries_log_index", "log_entries", ["log_index"], unique=True)
    op.create_table(
        "log_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("origin", sa.String(length=100), nullable=False),
        sa.Column("turns", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_log_state_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_state")),
    )
    op.create_table(
        "materials",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("type_code", sa.String(length=21), nullable=False),
        sa.Column("type_version", sa.SmallInteger(), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("matter_code", sa.String(length=32), nullable=True),
        sa.Column("case_no", sa.String(length=64), nullable=True),
        sa.Column("content_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("status_list", sa.Integer(), nullable=False),
        sa.Column("status_index", sa.Integer(), nullable=False),
        sa.Column("valid_from_on", sa.Date(), nullable=False),
        sa.Column("valid_to_on", sa.Date(), nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("registered_by", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("salts", sa.LargeBinary(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sm3", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_materials")),
        sa.UniqueConstraint("content_key", name=op.f("uq_materials_content_key")),
    )
    op.create_index("ix_materials_department", "materials", ["department", "id"], unique=False)
    op.create_table(
        "status_events",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("item_kind", sa.String(length=12), nullable=False),
        sa.Column("item_id", sa.String(length=26), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("operation", sa.String(length=20), nullable=False),
        sa.Column("operation_code", sa.String(length=2), nullable=False),
        sa.Column("from_status", sa.SmallInteger(), nullable=False),
        sa.Column("to_status", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("authority", sa.String(length=18), nullable=False),
        sa.Column("document", sa.String(length=200), nullable=True),
        sa.Column("successor", sa.String(length=128), nullable=True),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("salts", sa.LargeBinary(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_events")),
        sa.UniqueConstraint("item_id", "sequence", name="uq_status_events_sequence"),
    )
    op.create_table(
        "status_lists",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("permutation_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("allotted", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_lists")),
    )
    op.create_table(
        "trust_bundles",
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("content_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bundle", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_trust_bundles")),
    )
    op.create_table(
        "use_refusals",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("item_kind", sa.String(length=12), nullable=False),
        sa.Column("item_id", sa.String(length=26), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("matter_code", sa.String(length=32), nullable=False),
        sa.Column("case_no", sa.String(length=64), nullable=False),
        sa.Column("operator", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("evidence", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_use_refusals")),
    )
    op.create_index(op.f("ix_use_refusals_department"), "use_refusals", ["department"], unique=False)
    op.create_index(op.f("ix_use_refusals_item_id"), "use_refusals", ["item_id"], unique=False)
    op.create_table(
        "anchors",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("contract", sa.String(length=42), nullable=False),
        sa.Column("log_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("block_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("transaction_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["size"], ["checkpoints.size"], name=op.f("fk_anchors_size_checkpoints")),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_anchors")),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=True),
        sa.Column("roles", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["department"], ["departments.code"], name=op.f("fk_api_tokens_department_departments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("secret_sha256", name=op.f("uq_api_tokens_secret_sha256")),
    )
    op.create_index(op.f("ix_api_tokens_department"), "api_tokens", ["department"], unique=False)
    op.create_table(
        "certificate_disclosures",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("certificate_id", sa.String(length=26), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=True),
        sa.Column("purpose", sa.String(length=200), nullable=False),
        sa.Column("disclosed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["certificates.id"], name=op.f("fk_certificate_disclosures_certificate_id_certificates")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_disclosures")),
    )
    op.create_index(
        op.f("ix_certificate_disclosures_certificate_id"), "certificate_disclosures", ["certificate_id"], unique=False
    )
    op.create_table(
        "certificate_files",
        sa.Column("certificate_id", sa.String(length=26), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["certificates.id"], name=op.f("fk_certificate_files_certificate_id_certificates")
        ),
        sa.ForeignKeyConstraint(["sha256"], ["files.sha256"], name=op.f("fk_certificate_files_sha256_files")),
        sa.PrimaryKeyConstraint("certificate_id", "position", name=op.f("pk_certificate_files")),
    )
    op.create_index(op.f("ix_certificate_files_sha256"), "certificate_files", ["sha256"], unique=False)
    op.create_table(
        "certificate_holders",
        sa.Column("holder_index", sa.LargeBinary(length=32), nullable=False),
        sa.Column("certificate_id", sa.String(length=26), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["certificates.id"], name=op.f("fk_certificate_holders_certificate_id_certificates")
        ),
        sa.PrimaryKeyConstraint("holder_index", "certificate_id", name=op.f("pk_certificate_holders")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "certificate_type_versions",
        sa.Column("code", sa.String(length=21), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("installed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["code"], ["certificate_types.code"], name=op.f("fk_certificate_type_versions_code_certificate_types")
        ),
        sa.PrimaryKeyConstraint("code", "version", name=op.f("pk_certificate_type_versions")),
    )
    op.create_table(
        "material_files",
        sa.Column("material_id", sa.String(length=26), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["material_id"], ["materials.id"], name=op.f("fk_material_files_material_id_materials")
        ),
        sa.ForeignKeyConstraint(["sha256"], ["files.sha256"], name=op.f("fk_material_files_sha256_files")),
        sa.PrimaryKeyConstraint("material_id", "position", name=op.f("pk_material_files")),
    )
    op.create_index(op.f("ix_material_files_sha256"), "material_files", ["sha256"], unique=False)
    op.create_table(
        "material_holders",
        sa.Column("holder_index", sa.LargeBinary(length=32), nullable=False),
        sa.Column("material_id", sa.String(length=26), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["material_id"], ["materials.id"], name=op.f("fk_material_holders_material_id_materials")
        ),
        sa.PrimaryKeyConstraint("holder_index", "material_id", name=op.f("pk_material_holders")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "matters",
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("purpose", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["department"], ["departments.code"], name=op.f("fk_matters_department_departments")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_matters")),
    )
    op.create_index(op.f("ix_matters_department"), "matters", ["department"], unique=False)
    op.create_table(
        "scopes",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("type_code", sa.String(length=21), nullable=False),
        sa.Column("action", sa.String(length=8), nullable=False),
        sa.Column("valid_from_on", sa.Date(), nullable=False),
        sa.Column("valid_to_on", sa.Date(), nullable=True),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("granted_by", sa.String(length=64), nullable=False),
        sa.CheckConstraint("action IN ('issue', 'use')", name=op.f("ck_scopes_action")),
        sa.ForeignKeyConstraint(["department"], ["departments.code"], name=op.f("fk_scopes_department_departments")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scopes")),
        sa.UniqueConstraint(
            "department",
            "type_code",
            "action",
            "valid_from_on",
            name=op.f("uq_scopes_department_type_code_action_valid_from_on"),
        ),
    )
    op.create_index(op.f("ix_scopes_type_code"), "scopes", ["type_code"], unique=False)
    op.create_table(
        "staff",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=True),
        sa.Column("roles", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("must_change_password", sa.Boolean(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["department"], ["departments.code"], name=op.f("fk_staff_department_departments")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
        sa.UniqueConstraint("username", name=op.f("uq_staff_username")),
    )
    op.create_index(op.f("ix_staff_department"), "staff", ["department"], unique=False)
    op.create_table(
        "status_values",
        sa.Column("list_id", sa.Integer(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("value", sa.SmallInteger(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["list_id"], ["status_lists.id"], name=op.f("fk_status_values_list_id_status_lists")),
        sa.PrimaryKeyConstraint("list_id", "slot", name=op.f("pk_status_values")),
    )
    op.create_table(
        "venues",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(length=300), nullable=False),
        sa.Column("area_code", sa.String(length=6), nullable=False),
        sa.Column("responsible", sa.String(length=18), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("rule", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["department"], ["departments.code"], name=op.f("fk_venues_department_departments")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_venues")),
    )
    op.create_index(op.f("ix_venues_department"), "venues", ["department"], unique=False)
    op.create_index(op.f("ix_venues_responsible"), "venues", ["responsible"], unique=False)
    op.create_table(
        "authorisations",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("route", sa.String(length=12), nullable=False),
        sa.Column("grantee", sa.String(length=18), nullable=False),
        sa.Column("subject_index", sa.LargeBinary(length=32), nullable=True),
        sa.Column("item_kind", sa.String(length=12), nullable=True),
        sa.Column("item_id", sa.String(length=26), nullable=True),
        sa.Column("type_code", sa.String(length=21), nullable=True),
        sa.Column("matter_code", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=200), nullable=False),
        sa.Column("parent_id", sa.String(length=26), nullable=True),
        sa.Column("max_uses", sa.Integer(), nullable=True),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("valid_from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("granted_by", sa.String(length=64), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_reason", sa.String(length=200), nullable=True),
        sa.CheckConstraint("route IN ('function', 'holder', 'delegation')", name=op.f("ck_authorisations_route")),
        sa.CheckConstraint("item_id IS NOT NULL OR type_code IS NOT NULL", name=op.f("ck_authorisations_item_or_type")),
        sa.CheckConstraint("used >= 0 AND (max_uses IS NULL OR used <= max_uses)", name=op.f("ck_authorisations_used")),
        sa.ForeignKeyConstraint(["grantee"], ["departments.code"], name=op.f("fk_authorisations_grantee_departments")),
        sa.ForeignKeyConstraint(["matter_code"], ["matters.code"], name=op.f("fk_authorisations_matter_code_matters")),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["authorisations.id"], name=op.f("fk_authorisations_parent_id_authorisations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authorisations")),
    )
    op.create_index(op.f("ix_authorisations_grantee"), "authorisations", ["grantee"], unique=False)
    op.create_index(op.f("ix_authorisations_item_id"), "authorisations", ["item_id"], unique=False)
    op.create_index(op.f("ix_authorisations_matter_code"), "authorisations", ["matter_code"], unique=False)
    op.create_index(op.f("ix_authorisations_parent_id"), "authorisations", ["parent_id"], unique=False)
    op.create_index(op.f("ix_authorisations_subject_index"), "authorisations", ["subject_index"], unique=False)
    op.create_table(
        "hand_ins",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("venue_id", sa.String(length=26), nullable=False),
        sa.Column("visits", sa.Integer(), nullable=False),
        sa.Column("handed_in_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handed_in_by", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("salts", sa.LargeBinary(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["venue_id"], ["venues.id"], name=op.f("fk_hand_ins_venue_id_venues")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hand_ins")),
    )
    op.create_index(op.f("ix_hand_ins_venue_id"), "hand_ins", ["venue_id"], unique=False)
    op.create_table(
        "matter_slots",
        sa.Column("matter_code", sa.String(length=32), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("accepts", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(["matter_code"], ["matters.code"], name=op.f("fk_matter_slots_matter_code_matters")),
        sa.PrimaryKeyConstraint("matter_code", "code", name=op.f("pk_matter_slots")),
    )
    op.create_table(
        "passes",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("venue_id", sa.String(length=26), nullable=False),
        sa.Column("subject_index", sa.LargeBinary(length=32), nullable=False),
        sa.Column("valid_from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("status_list", sa.Integer(), nullable=False),
        sa.Column("status_index", sa.Integer(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("granted_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["venue_id"], ["venues.id"], name=op.f("fk_passes_venue_id_venues")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passes")),
    )
    op.create_index("ix_passes_subject", "passes", ["subject_index", "venue_id"], unique=False)
    op.create_index(op.f("ix_passes_venue_id"), "passes", ["venue_id"], unique=False)
    op.create_table(
        "staff_sessions",
        sa.Column("secret_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("staff_id", sa.String(length=26), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_sessions_staff_id_staff")),
        sa.PrimaryKeyConstraint("secret_sha256", name=op.f("pk_staff_sessions")),
    )
    op.create_index(op.f("ix_staff_sessions_expires_at"), "staff_sessions", ["expires_at"], unique=False)
    op.create_index(op.f("ix_staff_sessions_staff_id"), "staff_sessions", ["staff_id"], unique=False)
    op.create_table(
        "uses",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("item_kind", sa.String(length=12), nullable=False),
        sa.Column("item_id", sa.String(length=26), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("matter_code", sa.String(length=32), nullable=False),
        sa.Column("slot_code", sa.String(length=32), nullable=False),
        sa.Column("case_no", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=200), nullable=False),
        sa.Column("authorisation_id", sa.String(length=26), nullable=False),
        sa.Column("subject_index", sa.LargeBinary(length=32), nullable=True),
        sa.Column("operator", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("salts", sa.LargeBinary(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["authorisation_id"], ["authorisations.id"], name=op.f("fk_uses_authorisation_id_authorisations")
        ),
        sa.ForeignKeyConstraint(["matter_code"], ["matters.code"], name=op.f("fk_uses_matter_code_matters")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uses")),
    )
    op.create_index(op.f("ix_uses_authorisation_id"), "uses", ["authorisation_id"], unique=False)
    op.create_index(op.f("ix_uses_department"), "uses", ["department"], unique=False)
    op.create_index("ix_uses_item", "uses", ["item_kind", "item_id", "id"], unique=False)
    op.create_index(op.f("ix_uses_matter_code"), "uses", ["matter_code"], unique=False)
    op.create_table(
        "visits",
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("venue_id", sa.String(length=26), nullable=False),
        sa.Column("gate", sa.String(length=32), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("admitted", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("code_id", sa.String(length=16), nullable=True),
        sa.Column("trust_version", sa.BigInteger(), nullable=False),
        sa.Column("trust_age_seconds", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("hand_in_id", sa.String(length=26), nullable=False),
        sa.ForeignKeyConstraint(["hand_in_id"], ["hand_ins.id"], name=op.f("fk_visits_hand_in_id_hand_ins")),
        sa.ForeignKeyConstraint(["venue_id"], ["venues.id"], name=op.f("fk_visits_venue_id_venues")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_visits")),
        sa.UniqueConstraint("venue_id", "gate", "sequence", name="uq_visits_sequence"),
    )
    op.create_index(op.f("ix_visits_code_id"), "visits", ["code_id"], unique=False)
    op.create_index(op.f("ix_visits_hand_in_id"), "visits", ["hand_in_id"], unique=False)
    op.create_index("ix_visits_venue", "visits", ["venue_id", "decided_at"], unique=False)
    op.create_table(
        "consumptions",
        sa.Column("item_kind", sa.String(length=12), nullable=False),
        sa.Column("item_id", sa.String(length=26), nullable=False),
        sa.Column("use_id", sa.String(length=26), nullable=False),
        sa.Column("department", sa.String(length=18), nullable=False),
        sa.Column("consumed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("nullifier", sa.LargeBinary(length=32), nullable=False),
        sa.Column("commitment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("chain_first", sa.Boolean(), nullable=True),
        sa.Column("chain_by", sa.String(length=64), nullable=True),
        sa.Column("chain_commitment", sa.LargeBinary(length=32), nullable=True),
        sa.Column("chain_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["use_id"], ["uses.id"], name=op.f("fk_consumptions_use_id_uses"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("item_kind", "item_id", name=op.f("pk_consumptions")),
        sa.UniqueConstraint("nullifier", name=op.f("uq_consumptions_nullifier")),
        sa.UniqueConstraint("use_id", name=op.f("uq_consumptions_use_id")),
    )
    op.create_index(op.f("ix_consumptions_chain_at"), "consumptions", ["chain_at"], unique=False)
    op.create_table(
        "use_holders",
        sa.Column("holder_index", sa.LargeBinary(length=32), nullable=False),
        sa.Column("use_id", sa.String(length=26), nullable=False),
        sa.ForeignKeyConstraint(["use_id"], ["uses.id"], name=op.f("fk_use_holders_use_id_uses")),
        sa.PrimaryKeyConstraint("holder_index", "use_id", name=op.f("pk_use_holders")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("use_holders")
    op.drop_index(op.f("ix_consumptions_chain_at"), table_name="consumptions")
    op.drop_table("consumptions")
    op.drop_index("ix_visits_venue", table_name="visits")
    op.drop_index(op.f("ix_visits_hand_in_id"), table_name="visits")
    op.drop_index(op.f("ix_visits_code_id"), table_name="visits")
    op.drop_table("visits")
    op.drop_index(op.f("ix_uses_matter_code"), table_name="uses")
    op.drop_index("ix_uses_item", table_name="uses")
    op.drop_index(op.f("ix_uses_department"), table_name="uses")
    op.drop_index(op.f("ix_uses_authorisation_id"), table_name="uses")
    op.drop_table("uses")
    op.drop_index(op.f("ix_staff_sessions_staff_id"), table_name="staff_sessions")
    op.drop_index(op.f("ix_staff_sessions_expires_at"), table_name="staff_sessions")
    op.drop_table("staff_sessions")
    op.drop_index(op.f("ix_passes_venue_id"), table_name="passes")
    op.drop_index("ix_passes_subject", table_name="passes")
    op.drop_table("passes")
    op.drop_table("matter_slots")
    op.drop_index(op.f("ix_hand_ins_venue_id"), table_name="hand_ins")
    op.drop_table("hand_ins")
    op.drop_index(op.f("ix_authorisations_subject_index"), table_name="authorisations")
    op.drop_index(op.f("ix_authorisations_parent_id"), table_name="authorisations")
    op.drop_index(op.f("ix_authorisations_matter_code"), table_name="authorisations")
    op.drop_index(op.f("ix_authorisations_item_id"), table_name="authorisations")
    op.drop_index(op.f("ix_authorisations_grantee"), table_name="authorisations")
    op.drop_table("authorisations")
    op.drop_index(op.f("ix_venues_responsible"), table_name="venues")
    op.drop_index(op.f("ix_venues_department"), table_name="venues")
    op.drop_table("venues")
    op.drop_table("status_values")
    op.drop_index(op.f("ix_staff_department"), table_name="staff")
    op.drop_table("staff")
    op.drop_index(op.f("ix_scopes_type_code"), table_name="scopes")
    op.drop_table("scopes")
    op.drop_index(op.f("ix_matters_department"), table_name="matters")
    op.drop_table("matters")
    op.drop_table("material_holders")
    op.drop_index(op.f("ix_material_files_sha256"), table_name="material_files")
    op.drop_table("material_files")
    op.drop_table("certificate_type_versions")
    op.drop_table("certificate_holders")
    op.drop_index(op.f("ix_certificate_files_sha256"), table_name="certificate_files")
    op.drop_table("certificate_files")
    op.drop_index(op.f("ix_certificate_disclosures_certificate_id"), table_name="certificate_disclosures")
    op.drop_table("certificate_disclosures")
    op.drop_index(op.f("ix_api_tokens_department"), table_name="api_tokens")
    op.drop_table("api_tokens")
    op.drop_table("anchors")
    op.drop_index(op.f("ix_use_refusals_item_id"), table_name="use_refusals")
    op.drop_index(op.f("ix_use_refusals_department"), table_name="use_refusals")
    op.drop_table("use_refusals")
    op.drop_table("trust_bundles")
    op.drop_table("status_lists")
    op.drop_table("status_events")
    op.drop_index("ix_materials_department", table_name="materials")
    op.drop_table("materials")
    op.drop_table("log_state")
    op.drop_index("uq_log_entries_log_index", table_name="log_entries")
    op.drop_index(
        "uq_log_entries_leaf_hash",
        table_name="log_entries",
        sqlite_where=sa.text("leaf_hash IS NOT NULL"),
        postgresql_where=sa.text("leaf_hash IS NOT NULL"),
    )
    op.drop_index("uq_log_entries_item_payload_digest", table_name="log_entries")
    op.drop_table("log_entries")
    op.drop_index(
        "uq_keys_purpose_in_force",
        table_name="keys",
        sqlite_where=sa.text("valid_to IS NULL"),
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.drop_index(op.f("ix_keys_purpose"), table_name="keys")
    op.drop_table("keys")
    op.drop_table("identifier_counters")
    op.drop_index(op.f("ix_idempotency_keys_at"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_table("files")
    op.drop_table("departments")
    op.drop_index("ix_codes_department", table_name="codes")
    op.drop_table("codes")
    op.drop_table("checkpoints")
    op.drop_index("ix_certificates_department", table_name="certificates")
    op.drop_table("certificates")
    op.drop_table("certificate_types")
