"""Extracts over HTTP: who may make one of which fields for whom, what it says, and that it dies with its original."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from api_office import (
    COMPANY,
    ISSUER,
    LICENCE,
    PERSON,
    USER,
    OpenOffice,
    key,
    licence,
    open_office,
    reason,
    register,
    settings_in,
)
from conftest import make_postgres_database

from registry.accounts import tokens
from registry.catalogue import rules as catalogue_rules
from registry.catalogue import service as catalogue
from registry.catalogue.rules import Slot
from registry.errors import InvalidDraftError
from registry.extracts import rules
from registry.work import REGISTRY
from verifier import verify
from verifier.extract import TYPE
from verifier.extract_verdict import verify_extract
from verifier.sd_jwt import open_sd_jwt, without_gaps
from verifier.trust import TrustBundle

MATTER, OTHER_MATTER, PURPOSE = "CN-EXTRACT-01", "CN-EXTRACT-02", "办理户外招牌设置"
SENIOR = "11310105MB9T00011M004"
UNIT = "52310105MJ9T00029N"
FIELDS = ["holders.holder_name", "certificate_number", "extend_info.address"]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def office(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    """On SQLite with the embedded chain, and on PostgreSQL without one."""
    more: dict[str, Any] = {"chain": "embedded"}
    if request.param == "postgresql":
        more = {"database_url": make_postgres_database(request.getfixturevalue("postgres_server"))}
    with open_office(settings_in(tmp_path_factory.mktemp("extracts"), **more)) as office:
        fields = [*FIELDS, "extend_info.born_on", "extend_info.gender"]
        slots = [{"code": "CL01", "name": "主体资格证明", "accepts": [LICENCE, SENIOR], "fields": fields}]
        for code, kept in ((MATTER, slots), (OTHER_MATTER, [{**slots[0], "fields": []}])):
            matter = {"code": code, "name": "户外招牌设置", "department": USER, "purpose": PURPOSE, "slots": kept}
            answer = office.send("POST", "/api/v1/matters", json=matter)
            assert answer.status_code == 201 and answer.json()["slots"] == [{**kept[0], "required": True}]
        unit = {"code": UNIT, "name": "示例养老服务中心", "short_name": "养老中心", "level": "unit"}
        assert office.send("POST", "/api/v1/departments", json=unit).status_code == 201
        scope = {"type_code": LICENCE, "action": "use", "valid_from_on": "2020-01-01"}
        assert office.send("POST", f"/api/v1/departments/{UNIT}/scopes", json=scope).status_code == 201
        yield office


def used(office: OpenOffice, made: dict[str, Any], type_code: str = LICENCE, matter: str = MATTER) -> str:
    """The id of a use by the user's department, and of its authorisation."""
    grant = {
        "route": "function", "grantee": USER, "matter_code": matter, "purpose": PURPOSE, "type_code": type_code,
        "valid_from_at": datetime.now(UTC).isoformat(), "max_uses": 1,
        "valid_to_at": (datetime.now(UTC) + timedelta(days=9)).isoformat(),
    }  # fmt: skip
    authorisation = office.send("POST", "/api/v1/authorisations", "registrar", json=grant).json()["id"]
    use = {
        "item_kind": "certificate", "item_id": made["id"], "matter_code": matter, "case_no": "2026-000004",
        "purpose": PURPOSE, "authorisation_id": authorisation, "device": "desk-1", "operator": "staff:1",
    }  # fmt: skip
    answer = office.send("POST", "/api/v1/uses", "window", USER, json=use)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def ask(office: OpenOffice, made: dict[str, Any], use: str, department: str = USER, **more: Any) -> Any:
    body = {"use_id": use, "expires_at": (datetime.now(UTC) + timedelta(days=30)).isoformat(), **more}
    return office.send("POST", f"{made['status_url']}/extracts", "window", department, json=body)


def text_of(office: OpenOffice, extract: dict[str, Any], department: str = USER) -> bytes:
    answer = office.send("GET", extract["file_url"], "window", department)
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/dc+sd-jwt"
    return answer.content


def trust_of(office: OpenOffice) -> TrustBundle:
    return TrustBundle.open(office.client.get("/api/v1/trust").content)


def told_by(text: bytes) -> dict[str, Any]:
    told: dict[str, Any] = without_gaps(open_sd_jwt(text, TYPE).claims)
    return told


def test_an_extract_tells_what_the_slot_needs_and_dies_with_its_original(office: OpenOffice, tmp_path: Path) -> None:
    made = register(office, 1)
    office.settle()
    answer = ask(office, made, used(office, made))
    assert answer.status_code == 201, answer.text
    extract = answer.json()
    assert (extract["fields"], extract["state"], extract["receiver"], extract["bound"]) == (
        FIELDS,
        "valid",
        USER,
        False,
    )
    text, trust, now = text_of(office, extract), trust_of(office), datetime.now(UTC)
    told = told_by(text)
    assert (told["iss"], told["aud"], told["purpose"], told["case_no"]) == (ISSUER, USER, PURPOSE, "2026-000004")
    certificate = told["certificate"]
    assert certificate["extend_info"] == {"address": "上海市长宁区示例路 1 号"}
    assert certificate["holders"] == [{"holder_name": "上海长宁示例商贸有限公司"}]
    assert COMPANY not in json.dumps(told) and "示例甲" not in json.dumps(told, ensure_ascii=False)
    answer = office.send("GET", f"{made['status_url']}/evidence", "registrar")
    evidence = answer.content if office.has_chain else None
    assert office.has_chain or answer.status_code == 409
    verdict = verify_extract(text, trust, now, receiver=USER, evidence=evidence)
    assert (verdict.state, verdict.reason) == ("valid", "ok")
    assert verify_extract(text, trust, now, receiver=ISSUER).reason == "wrong_receiver"
    (tmp_path / "e.sd-jwt").write_bytes(text)
    (tmp_path / "e.szb").write_bytes(evidence or b"")
    (tmp_path / "trust.json").write_bytes(office.client.get("/api/v1/trust").content)

    def run(*more: str) -> int:
        command = [sys.executable, "-m", "api.cli", "verify", "e.sd-jwt", "--trust", "trust.json", *more]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60).returncode

    assert (run(), run("--receiver", USER), run("--receiver", ISSUER)) == (0, 0, 1)
    assert run("--evidence", "e.szb") == (0 if office.has_chain else 1)
    assert run("--nonce", "n-1", "--receiver", USER) == 1
    (tmp_path / "e.sd-jwt").write_bytes(text.replace(b"~", b"~~", 1))
    assert run() == 1
    body = {"operation": "revoke", "reason": "经核实予以撤销", "document": "沪长〔2026〕1号"}
    assert office.send("POST", f"{made['status_url']}/status", "registrar", json=body).status_code == 200
    office.settle()
    verdict = verify(text, trust_of(office), datetime.now(UTC))
    assert (verdict.state, verdict.reason) == ("not_in_force", "status_revoked")
    assert reason(ask(office, made, extract["use_id"]), 403) == "item_revoked"
    listed = office.send("GET", f"{made['status_url']}/extracts", "auditor").json()["items"]
    assert [one["state"] for one in listed] == ["revoked"]


def test_no_field_goes_out_that_the_matter_does_not_need(office: OpenOffice) -> None:
    made = register(office, 2)
    office.settle()
    use = used(office, made)
    for field in (
        "extend_info.legal_representative",
        "holders.holder_code",
        "area_code",
        "nothing",
        "certificate_name",
    ):
        answer = ask(office, made, use, fields=[*FIELDS, field])
        assert reason(answer, 403) == "field_not_needed" and answer.json()["evidence"] == {"fields": [field]}
    assert reason(ask(office, made, use, fields=[FIELDS[0]] * 2), 422) == "invalid_draft"
    fewer = ask(office, made, use, fields=[FIELDS[1]]).json()
    assert fewer["fields"] == [FIELDS[1]] and "holders" not in told_by(text_of(office, fewer))["certificate"]
    nothing = ask(office, made, use, fields=[]).json()
    assert verify(text_of(office, nothing), trust_of(office), datetime.now(UTC)).state == "valid"
    # A slot that names no fields needs none.
    other = used(office, made, matter=OTHER_MATTER)
    assert ask(office, made, other).json()["fields"] == []
    assert reason(ask(office, made, other, fields=[FIELDS[1]]), 403) == "field_not_needed"


def test_no_field_goes_to_whom_the_type_keeps_it_from(office: OpenOffice) -> None:
    made = register(office, 3)
    office.settle()
    use = used(office, made)
    # What a licence says is public: a unit gets it as well.
    for_unit = ask(office, made, use, receiver=UNIT).json()
    assert for_unit["fields"] == FIELDS and told_by(text_of(office, for_unit))["aud"] == UNIT
    assert ask(office, made, use, receiver=ISSUER).json()["receiver"] == ISSUER
    assert reason(ask(office, made, use, receiver="91310105MA1FWT014B"), 404)
    draft = {
        "certificate_type_code": SENIOR, "certificate_number": "3101052026000001", "issue_date": "20260101",
        "valid_from": "20260101", "valid_to": "长期", "extend_info": {"gender": "男", "born_on": "18990101"},
        "holders": [{"holder_name": "随甲", "holder_code": PERSON, "holder_code_type_code": "111"}],
    }  # fmt: skip
    person = office.send("POST", "/api/v1/certificates", "registrar", json=draft).json()
    office.settle()
    of_person = used(office, person, SENIOR)
    extract = ask(office, person, of_person).json()
    personal = ["extend_info.born_on", "extend_info.gender"]
    assert sorted(extract["fields"]) == ["certificate_number", *personal, "holders.holder_name"]
    assert PERSON not in json.dumps(told_by(text_of(office, extract)))
    assert reason(ask(office, person, of_person, receiver=UNIT), 403) == "receiver_not_entitled"
    scope = {"type_code": SENIOR, "action": "use", "valid_from_on": "2020-01-01"}
    assert office.send("POST", f"/api/v1/departments/{UNIT}/scopes", json=scope).status_code == 201
    assert ask(office, person, of_person, receiver=UNIT).json()["fields"] == ["holders.holder_name"]
    for field in (*personal, "certificate_number"):
        answer = ask(office, person, of_person, receiver=UNIT, fields=[field])
        assert reason(answer, 403) == "field_not_for_receiver"


def test_an_extract_rests_on_a_use_of_ones_own_that_would_still_be_allowed(office: OpenOffice) -> None:
    made, other = register(office, 4), register(office, 5)
    office.settle()
    use = used(office, made)
    assert reason(ask(office, other, use), 404) == "use_unknown"
    assert reason(ask(office, made, use, ISSUER), 404) == "use_unknown"
    assert reason(ask(office, made, "0" * 26), 404) == "use_unknown"
    body = {"use_id": use, "expires_at": (datetime.now(UTC) + timedelta(days=3)).isoformat()}
    for role in ("registrar", "auditor", "venue"):
        answer = office.send("POST", f"{made['status_url']}/extracts", role, USER, json=body)
        assert answer.status_code == 403
    # The authorisation counted its one use and is spent: the use still stands. Revoked, it does not.
    assert ask(office, made, use).status_code == 201
    shown = office.send("GET", f"/api/v1/uses/{use}", "window", USER).json()
    path = f"/api/v1/authorisations/{shown['authorisation_id']}"
    answer = office.send("DELETE", path, "registrar", json={"reason": "不再需要"})
    assert answer.status_code == 200, answer.text
    assert reason(ask(office, made, use), 403) == "authorisation_revoked"


@pytest.mark.parametrize(("days", "fault"), [(-1, "in_the_past"), (181, "too_late")])
def test_an_extract_ends_by_itself(office: OpenOffice, days: int, fault: str) -> None:
    made = register(office, 6 + (days > 0))
    office.settle()
    use = used(office, made)
    answer = ask(office, made, use, expires_at=(datetime.now(UTC) + timedelta(days=days)).isoformat())
    assert [one["reason"] for one in answer.json()["errors"]] == [fault]
    assert office.send("GET", f"{made['status_url']}/extracts", "registrar").json()["items"] == []


def test_a_suspended_issuer_signs_nothing_and_what_it_signed_before_holds(office: OpenOffice) -> None:
    scope = {"type_code": LICENCE, "action": "issue", "valid_from_on": "2020-01-01"}
    assert office.send("POST", f"/api/v1/departments/{UNIT}/scopes", json=scope).status_code == 201
    with office.services.registry.begin(REGISTRY) as work:
        ends_at = work.at + timedelta(days=1)
        office.tokens["registrar", UNIT] = tokens.create(work, "unit", UNIT, ["registrar"], ends_at).secret
    made = office.send("POST", "/api/v1/certificates", "registrar", UNIT, json=licence(8)).json()
    office.settle()
    use = used(office, made)
    before = text_of(office, ask(office, made, use).json())
    assert told_by(before)["iss"] == UNIT
    path = f"/api/v1/departments/{UNIT}"
    assert office.send("POST", f"{path}/suspend", json={"reason": "核查"}).status_code == 200
    assert reason(ask(office, made, use), 403) == "issuer_not_entitled"
    assert verify(before, trust_of(office), datetime.now(UTC)).state == "valid"
    assert office.send("POST", f"{path}/reinstate", json={"reason": "核查完毕"}).status_code == 200
    assert ask(office, made, use).status_code == 201


def test_maker_receiver_and_issuer_have_the_file_and_nobody_else(office: OpenOffice) -> None:
    made = register(office, 9)
    office.settle()
    extract = ask(office, made, used(office, made), receiver=UNIT).json()
    for department in (USER, ISSUER):
        assert text_of(office, extract, department)
    own = register(office, 10)
    office.settle()
    for_issuer = ask(office, own, used(office, own)).json()
    listed = office.send("GET", f"{own['status_url']}/extracts", "window", ISSUER).json()["items"]
    assert [one["id"] for one in listed] == [for_issuer["id"]]
    assert reason(office.send("GET", "/api/v1/extracts/" + "0" * 26 + "/file", "window"), 404) == "extract_unknown"


def test_a_repeated_request_is_one_extract(office: OpenOffice) -> None:
    made = register(office, 11)
    office.settle()
    same, until = key(), (datetime.now(UTC) + timedelta(days=3)).isoformat()
    use = used(office, made)
    first, again = (ask_as(office, made, use, until, same) for _ in range(2))
    assert first["id"] == again["id"]
    assert len(office.send("GET", f"{made['status_url']}/extracts", "registrar").json()["items"]) == 1


def ask_as(office: OpenOffice, made: dict[str, Any], use: str, until: str, headers: dict[str, str]) -> dict[str, Any]:
    body = {"use_id": use, "expires_at": until}
    answer = office.send("POST", f"{made['status_url']}/extracts", "window", USER, json=body, headers=headers)
    made_now: dict[str, Any] = answer.json()
    return made_now


def test_an_auditor_finds_an_altered_extract(office: OpenOffice) -> None:
    from sqlalchemy import text

    from api.audit import holdings
    from api.audit.findings import Findings

    made = register(office, 12)
    office.settle()
    assert ask(office, made, used(office, made)).status_code == 201
    office.settle()
    with office.services.engine.begin() as connection:
        holdings.check(connection, whole := Findings(all_of_them=True))
        assert whole.divergences == []
        connection.execute(text("UPDATE extracts SET text = text || 'x'"))
        holdings.check(connection, altered := Findings(all_of_them=True))
        assert {one.where["table"] for one in altered.divergences} == {"extracts"}
        connection.rollback()


def test_a_slot_names_fields_that_a_face_can_have(office: OpenOffice) -> None:
    for fields in (["holders"], ["extend_info"], ["certificate_name"], ["extend_info.a b"], ["area_code"] * 2, [""]):
        slot = (Slot("CL01", "证明", (LICENCE,), True, tuple(fields)),)
        assert [one.reason for one in catalogue_rules.check_matter("CN-0001", "示例", "用途", slot)] == [
            "wrong_field_name"
        ]
    assert (
        catalogue_rules.check_matter(
            "CN-0001", "示例", "用途", (Slot("CL01", "证明", (LICENCE,), True, tuple(FIELDS)),)
        )
        == []
    )


def test_a_type_says_to_whom_its_fields_may_go(office: OpenOffice) -> None:
    definition = orjson.loads(
        orjson.dumps(next(one for one in catalogue.builtin_definitions() if one["code"] == SENIOR))
    )
    properties = definition["schema"]["properties"]
    properties["born_on"]["x-disclose"], properties["gender"]["x-disclose"] = ["district"], []
    compiled = catalogue_rules.compile_definition(definition)
    face = {"extend_info": {"born_on": "18990101", "gender": "男"}, "certificate_number": "1"}
    slot = Slot("CL01", "证明", (SENIOR,), True, ("extend_info.born_on", "extend_info.gender"))
    assert rules.choose(face, slot, compiled, "district").going == ("extend_info.born_on",)
    assert rules.choose(face, slot, compiled, "municipal").going == ()
    assert rules.choose(face, slot, compiled, "district").kept == ("extend_info.gender",)
    assert rules.choose(face, slot, compiled, "district").not_needed == (*rules.HOLDER_PARTS, "certificate_number")
    for wrong in ("everybody", ["everybody"], [["unit"]]):
        properties["gender"]["x-disclose"] = wrong
        with pytest.raises(InvalidDraftError):
            catalogue_rules.compile_definition(definition)
    properties["gender"].pop("x-disclose")
    for wrong in (["unit"], {"holders": ["unit"]}, {"holders.holder_name": ["everybody"]}):
        definition["schema"]["x-disclose"] = wrong
        with pytest.raises(InvalidDraftError):
            catalogue_rules.compile_definition(definition)


def test_every_field_of_a_built_in_certificate_has_a_rule(office: OpenOffice) -> None:
    with office.services.registry.read(REGISTRY) as work:
        for row in catalogue.list_types(work, "certificate"):
            definition = catalogue.definition_of(work, row.code)
            own = {f"extend_info.{name}" for name in definition.order}
            assert definition.receivers.keys() == own | {*rules.HOLDER_PARTS, *rules.FACE_PARTS}
            # What is masked for readers of the registry never goes beyond government.
            assert all(definition.receivers[f"extend_info.{name}"] <= rules.GOVERNMENT for name in definition.masks)


def test_the_newest_version_decides_also_about_what_is_older(office: OpenOffice) -> None:
    def version(number: int, **receivers: list[str]) -> catalogue_rules.TypeDefinition:
        fields = {name: {"title": name, "type": "string", "x-disclose": these} for name, these in receivers.items()}
        schema = {"type": "object", "properties": fields}
        return catalogue_rules.compile_definition({**base, "version": number, "schema": schema})

    base = next(one for one in catalogue.builtin_definitions() if one["code"] == SENIOR)
    first = version(1, level=["district", "unit"], dropped=["unit"])
    ruled = rules.governed_by(version(2, level=["district"], added=["unit"]), first)
    assert rules.receivers_of("extend_info.level", ruled) == {"district"}
    assert rules.receivers_of("extend_info.dropped", ruled) == {"unit"}
    assert ruled.version == 1 and ruled.order == first.order


def test_a_registry_of_before_gets_a_new_version_of_its_types(office: OpenOffice) -> None:
    newest = next(one for one in catalogue.builtin_definitions() if one["code"] == SENIOR)
    older = orjson.loads(orjson.dumps(newest))
    older["version"], schema = 1, older["schema"]
    del schema["x-disclose"]
    for part in schema["properties"].values():
        del part["x-disclose"]
    with office.services.registry.begin(REGISTRY) as work:
        code = "11310105MB9T00011M777"
        early = {**older, "code": code, "number": 777}
        catalogue.install_type(work, early)
        assert catalogue.install_type(work, early).version == 1
        assert catalogue.install_type(work, {**newest, "code": code, "number": 777}).version == newest["version"]
        assert catalogue.definition_at(work, code, 1).receivers == {}
        assert catalogue.definition_of(work, code).receivers["extend_info.benefits"] >= {"unit"}
