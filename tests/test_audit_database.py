"""The auditor finds whatever is changed in the database and in the store of files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
import registry_house as house
from audit_lives import BIN, LAMP
from audit_world import CARE_KEY, DATABASE_ALONE, MARKET_KEY, Copy, Plant, make
from conftest import make_postgres_database

from api.audit import holdings, lives, records
from api.audit.database import reading
from api.audit.findings import Findings
from registry.ids import id_text
from verifier.digests import double_digest
from verifier.entry import Entry, Kind
from verifier.suites import SoftwareKey

pytest_plugins = ("audit_fixtures",)

#: What is tried on PostgreSQL as well: one of each way of asking the database.
ON_POSTGRESQL = {
    "anchor_row_differs": "UPDATE anchors SET root = sha256(root)",
    "entry_row_fields_differ": "UPDATE log_entries SET recorded_at = now() WHERE log_index = 200",
    "item_digest_differs": "UPDATE certificates SET sha256 = sha256(sha256)",
    "status_not_latest": "UPDATE status_values SET value = 1",
    "use_unconsumed": "DELETE FROM consumptions",
}

# ---- Rows of the database -------------------------------------------------------------------------------------------


def sql(statement: str, *values: Any) -> Callable[[Copy], None]:
    def tamper(copied: Copy) -> None:
        assert copied.execute(statement, *values) > 0

    return tamper


def newest(table: str, column: str, value: Any, key: str = "id") -> Callable[[Copy], None]:
    """Another value in the newest row of a table."""
    return sql(f"UPDATE {table} SET {column} = ? WHERE {key} = (SELECT max({key}) FROM {table})", value)


def certificate(column: str, value: Any) -> Callable[[Copy], None]:
    return newest("certificates", column, value)


def head(column: str, value: Any) -> Callable[[Copy], None]:
    return newest("checkpoints", column, value, "size")


def anchor(column: str, value: Any) -> Callable[[Copy], None]:
    return newest("anchors", column, value, "size")


def entry(column: str, value: Any) -> Callable[[Copy], None]:
    return sql(f"UPDATE log_entries SET {column} = ? WHERE log_index = 200", value)


def event(column: str, value: Any, sequence: int) -> Callable[[Copy], None]:
    return sql(f"UPDATE status_events SET {column} = ? WHERE sequence = ?", value, sequence)


def every(table: str, column: str, value: Any) -> Callable[[Copy], None]:
    return sql(f"UPDATE {table} SET {column} = ?", value)


def key(column: str, value: Any, purpose: str) -> Callable[[Copy], None]:
    return sql(f"UPDATE keys SET {column} = ? WHERE purpose = ?", value, purpose)


def delete_newest(table: str) -> Callable[[Copy], None]:
    return sql(f"DELETE FROM {table} WHERE id = (SELECT max(id) FROM {table})")


def swap_key(copied: Copy) -> None:
    public = SoftwareKey.generate().public.raw
    copied.execute("UPDATE keys SET public = ? WHERE purpose = ? AND valid_to IS NULL", public, MARKET_KEY)


def alter_face(copied: Copy) -> None:
    identity, face = copied.ask("SELECT id, face FROM certificates ORDER BY id LIMIT 1 OFFSET 7")
    other = face.replace("上".encode(), "下".encode(), 1)
    copied.execute("UPDATE certificates SET face = ? WHERE id = ?", other, identity)


def alter_material(copied: Copy) -> None:
    (content,) = copied.ask("SELECT content FROM materials")
    copied.execute("UPDATE materials SET content = ?", content.replace(b"1", b"2"))


def alter_bytes(copied: Copy) -> None:
    (signed,) = copied.ask("SELECT signed FROM log_entries WHERE log_index = 200")
    copied.execute("UPDATE log_entries SET signed = ? WHERE log_index = 200", signed + b"\0")


def alter_frontier(copied: Copy) -> None:
    (frontier,) = copied.ask("SELECT frontier FROM checkpoints ORDER BY size DESC LIMIT 1")
    head("frontier", frontier[32:] + frontier[:32])(copied)


def alter_note(copied: Copy) -> None:
    (note,) = copied.ask("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1")
    head("note", note.replace("— ", "— x"))(copied)


def alter_line(copied: Copy) -> None:
    (line,) = copied.ask("SELECT line FROM cosignatures")
    changed = "A" if line[-8] != "A" else "B"
    copied.execute("UPDATE cosignatures SET line = ?", line[:-8] + changed + line[-7:])


def move_line(copied: Copy) -> None:
    copied.execute("UPDATE cosignatures SET size = (SELECT min(size) FROM checkpoints)")


def swap_witness(copied: Copy) -> None:
    copied.execute("UPDATE witnesses SET public = ?", SoftwareKey.generate().public.raw)


def alter_proof(copied: Copy) -> None:
    (proof,) = copied.ask("SELECT proof FROM anchor_proofs ORDER BY size DESC LIMIT 1")
    newest("anchor_proofs", "proof", proof[:-1] + bytes((proof[-1] ^ 1,)), "size")(copied)


def move_proof(copied: Copy) -> None:
    (proof,) = copied.ask("SELECT proof FROM anchor_proofs ORDER BY size LIMIT 1")
    newest("anchor_proofs", "proof", proof, "size")(copied)


def alter_schema(copied: Copy) -> None:
    (text,) = copied.ask("SELECT definition FROM certificate_type_versions WHERE code = ?", house.FOOD)
    definition = orjson.loads(text)
    definition["schema"]["required"] = []
    changed = orjson.dumps(definition).decode()
    copied.execute("UPDATE certificate_type_versions SET definition = ? WHERE code = ?", changed, house.FOOD)


def swap_sequences(copied: Copy) -> None:
    for old, new in ((1, 9), (2, 1), (9, 2)):
        copied.execute("UPDATE status_events SET sequence = ? WHERE sequence = ?", new, old)


def add_certificate(copied: Copy) -> None:
    columns = (
        "type_code, type_version, department, version, status, status_list, status_index, issued_on, valid_from_on, "
        "valid_to_on, registered_at, registered_by, face, salts, sha256, sm3"
    )
    copied.execute(
        f"INSERT INTO certificates (id, identifier, number, {columns}) "
        f"SELECT '0123456789abcdefghjkmnpqrs', identifier || 'X', number || 'X', {columns} FROM certificates LIMIT 1"
    )


def add_entry(copied: Copy) -> None:
    copied.execute(
        "INSERT INTO log_entries (item, kind, department, recorded_at, payload_digest, signed, leaf_hash, log_index) "
        "SELECT item, 9, department, recorded_at, zeroblob(32), x'00', zeroblob(32), 99999 FROM log_entries LIMIT 1"
    )


def remove_use(copied: Copy) -> None:
    for table, column in (("use_holders", "use_id"), ("consumptions", "use_id"), ("uses", "id")):
        copied.execute(f"DELETE FROM {table} WHERE {column} = (SELECT max(id) FROM uses)")


def add_authorisation(copied: Copy) -> None:
    columns = (
        "route, grantee, subject_index, item_kind, item_id, type_code, matter_code, purpose, parent_id, delegation_id, "
        "max_uses, used, valid_from_at, valid_to_at, granted_at, granted_by, department, revoked_at, revoked_reason"
    )
    copied.execute(
        f"INSERT INTO authorisations (id, {columns}) "
        f"SELECT '0123456789abcdefghjkmnpqrs', {columns} FROM authorisations LIMIT 1"
    )


def revoked(table: str) -> Callable[[Copy], None]:
    return sql(f"UPDATE {table} SET revoked_at = '2026-11-22 05:00:00.000000', revoked_reason = '示例'")


def revive(copied: Copy) -> None:
    ended = "SELECT status_list, status_index FROM delegations WHERE revoked_at IS NOT NULL"
    copied.execute("UPDATE status_values SET value = 0 WHERE (list_id, slot) IN (" + ended + ")")


def add_phone(copied: Copy) -> None:
    columns = "holder_index, department, enrolled_at, enrolled_by, renewed_at, ended_at, ended_by_reason"
    copied.execute(
        f"INSERT INTO devices (id, public_key, code_id, {columns}) "
        f"SELECT '0123456789abcdefghjkmnpqrs', zeroblob(32), (SELECT code_id FROM components LIMIT 1), {columns} "
        "FROM devices WHERE ended_at IS NOT NULL"
    )


def give_back(copied: Copy) -> None:
    copied.execute("UPDATE devices SET holder_index = zeroblob(32), ended_at = NULL WHERE ended_at IS NOT NULL")


def alter_step(copied: Copy) -> None:
    step, content = copied.ask("SELECT id, content FROM dispute_steps WHERE step = 'rejected'")
    other = content.replace("无误".encode(), "有误".encode())
    copied.execute("UPDATE dispute_steps SET content = ? WHERE id = ?", other, step)


def add_dispute(copied: Copy) -> None:
    names = [row[1] for row in copied.all("PRAGMA table_info(disputes)")]
    other = ", ".join({"id": "'00000000000000000000000000'"}.get(name, name) for name in names)
    copied.execute(f"INSERT INTO disputes ({', '.join(names)}) SELECT {other} FROM disputes")


def component(column: str, value: Any) -> Callable[[Copy], None]:
    return sql(f"UPDATE components SET {column} = ? WHERE code = '{LAMP}'", value)


def exchange_label(copied: Copy) -> None:
    (other,) = copied.ask("SELECT code_id FROM components WHERE code = ?", BIN)
    component("code_id", other)(copied)


def alter_component(copied: Copy) -> None:
    (content,) = copied.ask("SELECT content FROM components WHERE code = ?", LAMP)
    component("content", content.replace("仙霞路".encode(), "仙下路".encode()))(copied)


def hang_on_earlier(copied: Copy) -> None:
    item, entry_id = copied.ask("SELECT id, entry_id FROM components WHERE code = ?", LAMP)
    earlier = copied.ask("SELECT max(id) FROM log_entries WHERE item = ? AND id < ?", item, entry_id)
    component("entry_id", *earlier)(copied)


def application(statement: str, state: str) -> Callable[[Copy], None]:
    return sql(f"{statement} WHERE state = '{state}'")


def remove_department(copied: Copy) -> None:
    """One that nothing of the registry hangs on but its standing."""
    for table, column in (("scopes", "department"), ("department_standings", "department"), ("departments", "code")):
        copied.execute(f"DELETE FROM {table} WHERE {column} = ?", house.CARE)


def remove_type(copied: Copy) -> None:
    copied.execute("DELETE FROM certificate_type_versions WHERE code = ?", house.OPERATION)


def stored(change: Callable[[Path], object]) -> Callable[[Copy], None]:
    def tamper(copied: Copy) -> None:
        (name,) = copied.ask("SELECT object FROM files")
        change(copied.folder / "files" / name[:2] / name)

    return tamper


LONG_AGO = "1999-01-01 00:00:00.000000"
AN_ENTRY_LESS = sql("DELETE FROM log_entries WHERE log_index = 200")
IN_THE_DATABASE = {
    "a checkpoint's root altered": Plant("checkpoint_row_differs", head("root", b"r" * 32)),
    "a checkpoint's note altered": Plant("checkpoint_note_differs", alter_note),
    "a checkpoint's frontier altered": Plant("checkpoint_frontier_differs", alter_frontier),
    "a checkpoint's shared signature altered": Plant("checkpoint_note_differs", head("root_signature", b"s" * 64)),
    "a checkpoint dated before its key": Plant("checkpoint_note_differs", head("signed_at", LONG_AGO)),
    "a cosignature altered": Plant("cosignature_differs", alter_line),
    "a cosignature's time altered": Plant("cosignature_differs", every("cosignatures", "cosigned_at", LONG_AGO)),
    "a cosignature given to another head": Plant("cosignature_differs", move_line),
    "a witness's key swapped": Plant("cosignature_differs", swap_witness),
    "a chain proof altered": Plant("anchor_proof_differs", alter_proof),
    "a chain proof given to another anchor": Plant("anchor_proof_differs", move_proof),
    "an anchor's root altered": Plant("anchor_row_differs", anchor("root", b"r" * 32)),
    "a certificate's face altered": Plant("item_content_differs", alter_face),
    "a certificate's salts altered": Plant("item_content_differs", certificate("salts", bytes(16 * 20))),
    "a certificate's digest altered": Plant("item_digest_differs", certificate("sha256", b"d" * 32)),
    "a certificate's SM3 digest altered": Plant("item_digest_differs", certificate("sm3", b"d" * 32)),
    "a certificate's type altered": Plant("item_facts_differ", certificate("type_code", house.SENIOR)),
    "a certificate's number altered": Plant("item_facts_differ", certificate("number", "JY0")),
    "a certificate's validity altered": Plant("item_facts_differ", certificate("valid_to_on", "2099-12-31")),
    "a certificate's place in the status list altered": Plant("item_facts_differ", certificate("status_index", 7)),
    "a certificate deleted": Plant("entry_without_item", delete_newest("certificates")),
    "a certificate slipped in": Plant("item_without_entry", add_certificate),
    "a material's content altered": Plant("item_content_differs", alter_material),
    "a status event removed": Plant("entry_without_item", sql("DELETE FROM status_events WHERE sequence = 2")),
    "a status event with an entry that does not exist": Plant("item_without_entry", event("entry_id", 999_999, 2)),
    "a status event hung on another entry": Plant("item_without_entry", event("entry_id", 1, 2)),
    "status events in another order": Plant("status_sequence_broken", swap_sequences),
    "a status event's reason altered": Plant("item_facts_differ", event("reason", "误操作", 1)),
    "a status event's time of effect altered": Plant("item_facts_differ", event("effective_at", LONG_AGO, 1)),
    "a present state altered": Plant("status_not_latest", certificate("status", 1)),
    "a slot of the status list altered": Plant("status_not_latest", every("status_values", "value", 1)),
    "a use removed": Plant("entry_without_item", remove_use),
    "a use's case altered": Plant("item_facts_differ", newest("uses", "case_no", "2026-999999")),
    "a consumption removed": Plant("use_unconsumed", sql("DELETE FROM consumptions")),
    "a consumption's commitment altered": Plant("consumption_differs", every("consumptions", "commitment", b"c" * 32)),
    "a consumption's nullifier altered": Plant("consumption_differs", every("consumptions", "nullifier", b"n" * 32)),
    "an entry's row deleted": Plant("entry_row_missing", AN_ENTRY_LESS),
    "an entry's index altered": Plant("entry_row_missing", entry("log_index", 99_999)),
    "an entry's bytes altered": Plant("entry_row_differs", alter_bytes),
    "an entry's leaf hash altered": Plant("entry_row_differs", entry("leaf_hash", b"l" * 32)),
    "an entry's digest of submission altered": Plant("entry_row_differs", entry("payload_digest", b"p" * 32)),
    "an entry's department altered": Plant("entry_row_fields_differ", entry("department", house.CARE)),
    "an entry's kind altered": Plant("entry_row_fields_differ", entry("kind", 3)),
    "an entry's time altered": Plant("entry_row_fields_differ", entry("recorded_at", LONG_AGO)),
    "an entry slipped in beyond the head": Plant("entry_row_beyond", add_entry),
    "a department's key swapped": Plant("key_row_differs", swap_key),
    "a key given to another department": Plant("key_row_differs", key("purpose", "department:x", CARE_KEY)),
    "a key's beginning altered": Plant("key_row_differs", key("valid_from", LONG_AGO, CARE_KEY)),
    "a department's level altered": Plant("item_facts_differ", every("departments", "level", "municipal")),
    "a type's schema altered": Plant("item_facts_differ", alter_schema),
    "a code's state altered": Plant("status_not_latest", every("codes", "status", 15)),
    "a code deleted": Plant("entry_without_item", sql("DELETE FROM codes")),
    "an authorisation deleted": Plant("entry_without_item", delete_newest("authorisations")),
    "an authorisation slipped in": Plant("item_without_entry", add_authorisation),
    "an authorisation's grantee altered": Plant("item_facts_differ", newest("authorisations", "grantee", house.MARKET)),
    "an authorisation's revocation slipped in": Plant("status_not_latest", revoked("authorisations")),
    "a delegation deleted": Plant("entry_without_item", sql("DELETE FROM delegations WHERE role = 2")),
    "a delegation's role altered": Plant("item_facts_differ", sql("UPDATE delegations SET role = 0 WHERE role = 1")),
    "a delegation's revocation undone": Plant(
        "status_not_latest", sql("UPDATE delegations SET revoked_at = NULL WHERE role = 2")
    ),
    "a delegation revived in the status list": Plant("status_not_latest", revive),
    "a delegation's department altered": Plant("item_facts_differ", newest("delegations", "department", house.CARE)),
    "a phone deleted": Plant("entry_without_item", sql("DELETE FROM devices WHERE ended_at IS NOT NULL")),
    "a phone slipped in": Plant("item_without_entry", add_phone),
    "a lost phone given back": Plant("status_not_latest", give_back),
    "a phone's end given another reason": Plant(
        "status_not_latest", sql("UPDATE devices SET ended_by_reason = 'lost' WHERE ended_at IS NOT NULL")
    ),
    "a phone given to another department": Plant("item_facts_differ", every("devices", "department", house.MARKET)),
    "a dispute's statement altered": Plant("item_facts_differ", every("disputes", "statement", "都对。")),
    "a dispute's outcome altered": Plant("item_facts_differ", every("disputes", "outcome", "已更正。")),
    "a dispute taken back to an earlier state": Plant("status_not_latest", every("disputes", "state", "accepted")),
    "a step of a dispute deleted": Plant("entry_without_item", delete_newest("dispute_steps")),
    "a step of a dispute altered": Plant("item_content_differs", alter_step),
    "a dispute slipped in": Plant("status_not_latest", add_dispute),
    "a component deleted": Plant("entry_without_item", delete_newest("components")),
    "a component's place altered": Plant("item_facts_differ", component("place", "仙霞路 1 号")),
    "a component's label exchanged": Plant("item_facts_differ", exchange_label),
    "a component's content altered": Plant("item_content_differs", alter_component),
    "a component given to another department": Plant("item_facts_differ", component("department", house.CARE)),
    "a component hung on its earlier entry": Plant("item_content_differs", hang_on_earlier),
    "a component's removal undone": Plant("status_not_latest", every("components", "removed_at", None)),
    "an application deleted": Plant("entry_without_item", application("DELETE FROM venue_applications", "approved")),
    "an application decided otherwise": Plant(
        "item_facts_differ", application("UPDATE venue_applications SET state = 'approved'", "refused")
    ),
    "an application opened again": Plant(
        "item_facts_differ",
        application("UPDATE venue_applications SET state = 'open', content = NULL, salts = NULL", "refused"),
    ),
    "an application approved without a decision": Plant(
        "item_without_entry", application("UPDATE venue_applications SET state = 'approved'", "open")
    ),
    "an application's unit altered": Plant(
        "item_facts_differ", application(f"UPDATE venue_applications SET unit = '{house.OTHER_COMPANY}'", "approved")
    ),
    "a hand-in's number of visits altered": Plant("item_facts_differ", every("hand_ins", "visits", 99)),
    "a visit's decision altered": Plant("visit_differs", every("visits", "admitted", 0)),
    "a visit's code exchanged": Plant("visit_differs", every("visits", "code_id", "0123456789abcdef")),
    "a visit's line altered and digested anew": Plant("visit_differs", every("visits", "digest", b"d" * 32)),
    "a visit deleted": Plant("visit_missing", sql("DELETE FROM visits")),
    "a visit moved behind others": Plant("visit_missing", every("visits", "sequence", 7)),
    "a copy's purpose altered": Plant("item_facts_differ", every("derived_copies", "purpose", "另一用途")),
    "a copy's end undone": Plant("status_not_latest", every("derived_copies", "revoked_at", None)),
    "an extract's receiver altered": Plant("item_facts_differ", every("extracts", "receiver", house.MARKET)),
    "a department deleted": Plant("entry_without_item", remove_department),
    "a type deleted": Plant("entry_without_item", remove_type),
    "a stored file altered": Plant("file_differs", stored(lambda path: path.write_bytes(b"%PDF-1.7 another"))),
    "a stored file missing": Plant("file_missing", stored(lambda path: path.unlink())),
    "a certificate's file exchanged": Plant("file_differs", every("certificate_files", "sha256", b"f" * 32)),
    "without a trust bundle: a key swapped": Plant("entry_bad_signature", swap_key, DATABASE_ALONE),
    "without a trust bundle: a key's time altered": Plant(
        "entry_key_out_of_time", key("valid_from", "2026-11-30 00:00:00.000000", CARE_KEY), DATABASE_ALONE
    ),
    "without the log: an entry's bytes altered": Plant("entry_malformed", alter_bytes, DATABASE_ALONE),
    "without the log: an entry's row deleted": Plant("entry_row_missing", AN_ENTRY_LESS, DATABASE_ALONE),
}


@pytest.mark.parametrize("name", IN_THE_DATABASE)
def test_an_auditor_with_the_database_finds(name: str, copied: Copy) -> None:
    plant = IN_THE_DATABASE[name]
    plant.tamper(copied)
    report = copied.audit(**plant.given)
    assert [found.code for found in report.findings.divergences] == [plant.code]


def divergences(copied: Copy) -> list[str]:
    """What is found among the rows that entries tell of."""
    findings = Findings(all_of_them=True)
    with reading(f"sqlite:///{copied.database}") as connection:
        for part in (holdings, lives, records):
            part.check(connection, findings)
    return [found.code for found in findings.divergences]


def test_an_entry_that_nothing_stored_answers_for_is_found_whatever_its_kind(copied: Copy) -> None:
    """A new kind of entry needs a rule of its own in the auditor, and one of its entries in the registry to audit."""
    assert {kind for (kind,) in copied.all("SELECT DISTINCT kind FROM log_entries")} == set(Kind)
    assert divergences(copied) == []
    for kind in Kind:
        facts: dict[str, int | str | bytes] = {"action": "granted", "event": "registered"}
        orphan = Entry(kind, b"orphan of nobody", house.MARKET, house.NOON, double_digest(b"orphan"), facts)
        copied.execute(
            "INSERT INTO log_entries (id, item, kind, department, recorded_at, payload_digest, payload) "
            "VALUES (99999, ?, ?, ?, '2026-11-22 04:00:00.000000', zeroblob(32), ?)",
            id_text(orphan.item), int(kind), orphan.department, orphan.to_bytes(),
        )  # fmt: skip
        assert "entry_without_item" in divergences(copied), kind
        copied.execute("DELETE FROM log_entries WHERE id = 99999")


def test_a_database_of_another_version_is_refused_by_name(copied: Copy) -> None:
    copied.execute("UPDATE alembic_version SET version_num = '0001'")
    report = copied.audit(**DATABASE_ALONE)
    (blocked,) = [part for part in report.findings.unchecked if part.blocked]
    assert "0001" in blocked.why and report.state == "incomplete"


@pytest.mark.postgres
def test_on_postgresql_a_clean_registry_passes_and_what_is_changed_is_found(
    postgres_server: str, tmp_path: Path
) -> None:
    url = make_postgres_database(postgres_server)
    registry = make(tmp_path / "data", url)
    report = registry.audit(database=url, all_of_them=True)
    assert report.findings.divergences == []
    assert report.findings.checked["数据库条目"] == report.findings.checked["条目"]
    for code, statement in ON_POSTGRESQL.items():
        changed = another(url, f"{url}_{code}")
        with psycopg.connect(changed.replace("+psycopg", ""), autocommit=True) as connection:
            assert connection.execute(statement).rowcount > 0
        found = registry.audit(database=changed).findings.divergences
        assert [one.code for one in found] == [code]


def another(url: str, copied: str) -> str:
    """A copy of a database that nobody is connected to."""
    server, _, name = url.replace("+psycopg", "").rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {copied.rpartition('/')[2]} TEMPLATE {name}")
    return copied
