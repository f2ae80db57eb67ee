"""The work of a window and of a venue, through HTTP alone, on a real log and a real embedded chain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from api_office import (
    COMPANY,
    PERSON,
    RESIDENCE_PROOF,
    USER,
    Office,
    licence,
    reason,
    register,
)
from httpx import Response

from codes import picture
from verifier.visit import Visit

pytest_plugins = ("api_chained",)


def test_a_file_is_known_by_its_content_and_travels_in_the_evidence(office: Office) -> None:
    content = b"%PDF-1.7\n" + bytes(range(256)) * 1000
    kind = {"Content-Type": "application/pdf"}
    stored = office.send("POST", "/api/v1/files", "registrar", content=content, headers=kind).json()
    again = office.send("POST", "/api/v1/files", "registrar", content=content, headers=kind).json()
    assert stored == again and stored["size"] == len(content) and stored["media_type"] == "application/pdf"
    made = register(office, 800, files=[{"sha256": stored["sha256"], "name": "营业执照.pdf"}])
    office.settle()
    bundle = office.send("GET", f"{made['status_url']}/evidence", "registrar").content
    assert content in bundle
    verdict = office.client.post("/api/v1/verifications", files={"file": ("x", bundle)}).json()
    assert verdict["state"] == "valid"
    unknown = licence(809, files=[{"sha256": "0" * 64, "name": "没有.pdf"}])
    assert reason(office.send("POST", "/api/v1/certificates", "registrar", json=unknown), 422) == "invalid_draft"
    assert reason(office.send("POST", "/api/v1/files", "registrar", content=b""), 413) == "file_empty"


MATERIAL: dict[str, Any] = {
    "type_code": RESIDENCE_PROOF,
    "title": "示例己的居住证明",
    "holders": [{"holder_name": "示例己", "holder_code": PERSON, "holder_code_type_code": "111"}],
    "valid_from": "20260105",
    "valid_to": "20270104",
}


@pytest.fixture(scope="module")
def one_time(office: Office) -> dict[str, Any]:
    """A one-time material, its matter, and an authorisation for the other department."""
    schema = office.send("GET", f"/api/v1/types/{RESIDENCE_PROOF}").json()
    assert schema["one_time"] is True
    data = {
        name: part.get("enum", ["长宁区示例路 3 号"])[0] if part.get("format") != "yyyymmdd" else "20260101"
        for name, part in schema["face_schema"]["properties"].items()
        if name in schema["face_schema"].get("required", [])
    }
    made = office.send("POST", "/api/v1/materials", "registrar", json={**MATERIAL, "data": data})
    assert made.status_code == 202, made.text
    matter = {
        "code": "310105000100",
        "name": "示例入学登记",
        "department": USER,
        "purpose": "入学登记",
        "slots": [{"code": "SLOT-1", "name": "居住证明", "accepts": [RESIDENCE_PROOF]}],
    }
    assert office.send("POST", "/api/v1/matters", json=matter).status_code == 201
    grant = {
        "route": "holder",
        "grantee": USER,
        "matter_code": matter["code"],
        "purpose": "入学登记",
        "valid_to_at": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
        "item_kind": "material",
        "item_id": made.json()["id"],
        "subject": {"holder_code": PERSON, "holder_code_type_code": "111"},
    }
    granted = office.send("POST", "/api/v1/authorisations", "window", json=grant)
    assert granted.status_code == 201, granted.text
    return {
        "item_kind": "material",
        "item_id": made.json()["id"],
        "matter_code": matter["code"],
        "case_no": "CASE-2026-1",
        "purpose": "入学登记",
        "authorisation_id": granted.json()["id"],
        "subject": {"holder_code": PERSON, "holder_code_type_code": "111"},
        "operator": "W001",
        "device": "D001",
    }


def test_a_use_is_refused_by_name_and_a_one_time_item_has_one_winner(office: Office, one_time: dict[str, Any]) -> None:
    def use(**changed: Any) -> Response:
        return office.send("POST", "/api/v1/uses", "window", USER, json={**one_time, **changed})

    assert reason(use(purpose="别的用途"), 409) == "wrong_purpose"
    other = {"holder_code": "31010518991231999X", "holder_code_type_code": "111"}
    assert reason(use(subject=other), 409) == "wrong_subject"
    assert reason(use(authorisation_id="0" * 26), 409) == "authorisation_missing"
    assert reason(use(item_id="0" * 26), 404) == "item_unknown"
    won = use()
    assert won.status_code == 201, won.text
    lost = use(case_no="CASE-2026-2")
    assert reason(lost, 409) == "already_used"
    assert lost.json()["evidence"]["first_use_id"] == won.json()["id"]
    office.settle()
    path = won.json()["status_url"]
    assert office.send("GET", path, "window", USER).json()["stage"] == "anchored"
    assert office.send("GET", won.json()["receipt_url"], "auditor").json()["entry_id"] == won.json()["entry_id"]
    assert reason(office.send("GET", path, "window"), 403) == "another_departments_use"
    assert [one["id"] for one in office.send("GET", "/api/v1/uses", "window", USER).json()["items"]] == [
        won.json()["id"]
    ]
    revoked = office.send("DELETE", f"/api/v1/authorisations/{one_time['authorisation_id']}", "window")
    assert revoked.json()["revoked_at"]
    assert reason(use(), 409) == "authorisation_revoked"


def test_a_material_shows_masked_to_others(office: Office, one_time: dict[str, Any]) -> None:
    path = f"/api/v1/materials/{one_time['item_id']}"
    shown = office.send("GET", path, "window").json()
    assert (shown["holders"][0]["holder_name"], shown["title"]) == ("示例己", "示例己的居住证明")
    masked = office.send("GET", path, "window", USER)
    assert masked.json()["masked"] and PERSON not in masked.text and "示例己" not in masked.text
    office.settle()
    assert office.send("GET", f"{path}/receipt", "auditor").json()["index"] >= 0


# Codes and venues


VENUE = {
    "name": "长宁示例体育馆",
    "address": "上海市长宁区示例路 2 号",
    "responsible": COMPANY,
    "rule": {
        "hours": [{"days": [1, 2, 3, 4, 5, 6, 7], "from": "00:00", "to": "24:00"}],
        "admit": {"types": [], "pass": True},
        "anti_passback_seconds": 60,
    },
}


def test_codes_of_three_kinds_are_issued_drawn_read_and_killed(office: Office) -> None:
    venue = office.send("POST", "/api/v1/venues", "venue", json=VENUE).json()
    valid_to = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    holder = {"holder_code": PERSON, "holder_code_type_code": "111"}
    granted = office.send(
        "POST", f"/api/v1/venues/{venue['id']}/passes", "venue", json={**holder, "valid_to_at": valid_to}
    )
    assert granted.status_code == 201 and PERSON not in granted.text
    requests = [
        {"kind": "person", **holder, "venues": [venue["id"]]},
        {"kind": "enterprise", "code": COMPANY, "name": "上海长宁示例商贸有限公司"},
        {"kind": "venue", "venue_id": venue["id"]},
    ]
    for request in requests:
        role = "venue" if request["kind"] == "venue" else "window"
        if role == "window":
            assert reason(office.send("POST", "/api/v1/codes", "venue", json=request), 403) == "desk_needed"
        answer = office.send("POST", "/api/v1/codes", role, json=request)
        assert answer.status_code == 201, answer.text
        code = answer.json()
        assert PERSON not in answer.text
        verdict = office.client.post("/api/v1/verifications", json={"text": code["text"].lower()}).json()
        assert verdict["state"] == "valid", verdict
        for url in (code["svg_url"], code["png_url"], code["svg_url"] + "?level=Q"):
            drawn = office.send("GET", url, role)
            assert picture.read(drawn.content) == [code["text"]]
            scanned = office.client.post("/api/v1/verifications", files={"file": ("x", drawn.content)}).json()
            assert scanned["state"] == "valid"
        assert reason(office.send("GET", code["svg_url"], role, USER), 403) == "not_the_issuer"
        if role == "window":
            assert reason(office.send("GET", code["svg_url"], "venue"), 403) == "desk_needed"
        fresh = office.send("POST", f"/api/v1/codes/{code['id']}/reissue", role)
        assert fresh.json()["generation"] == code["generation"] + 1
        dead = office.client.post("/api/v1/verifications", json={"text": code["text"]}).json()
        assert dead["state"] == "not_in_force"
        lost = office.send("POST", f"/api/v1/codes/{fresh.json()['id']}/loss", role).json()
        assert lost["status"] == "lost"


def test_visits_are_taken_whole_or_not_and_twice_is_once(office: Office) -> None:
    venue = office.send("POST", "/api/v1/venues", "venue", json={**VENUE, "name": "长宁示例图书馆"}).json()
    visits: list[Visit] = []
    for sequence in range(1, 4):
        previous = visits[-1].digest() if visits else bytes(32)
        at = datetime(2026, 11, 1, 8, 0, sequence, tzinfo=UTC)
        visits.append(Visit(venue["id"], "gate0001", sequence, at, True, "pass", None, None, 1, 60, previous))
    path = f"/api/v1/venues/{venue['id']}/visits"
    body = {"visits": [visit.to_json() for visit in visits]}
    first = office.send("POST", path, "venue", json=body).json()
    again = office.send("POST", path, "venue", json=body).json()
    assert (first["accepted"], first["duplicate"], first["last"]) == (3, 0, {"gate0001": 3})
    assert (again["accepted"], again["duplicate"], again["entry_id"]) == (0, 3, None)
    altered = {"visits": [{**body["visits"][0], "reason": "certificate"}]}
    assert reason(office.send("POST", path, "venue", json=altered), 422)
    nonsense = office.send("POST", path, "venue", json={"visits": [{"a": 1}]})
    assert reason(nonsense, 422) == "invalid_draft"
    assert reason(office.send("POST", path, "venue", USER, json=body), 403) == "not_the_venues_department"
    other = office.send("POST", "/api/v1/venues", "venue", json={**VENUE, "name": "长宁示例展览馆"}).json()
    token = {"name": "西门闸口", "department": venue["department"], "roles": ["gate"], "venues": [other["id"]]}
    token["expires_at"] = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    made = office.send("POST", "/api/v1/tokens", json=token).json()
    assert made["venues"] == [other["id"]]
    gate = {"Authorization": f"Bearer {made['secret']}"}
    assert reason(office.send("POST", path, "gate", json=body, headers=gate), 403) == "not_the_tokens_venue"
    assert office.send("POST", path, "gate", json=body).json()["duplicate"] == 3
    listed = office.send("GET", "/api/v1/tokens").json()["items"]
    assert next(one for one in listed if one["id"] == made["id"])["venues"] == [other["id"]]
    wrong = office.send("POST", "/api/v1/tokens", json={**token, "department": USER}).json()
    assert [(one["field"], one["reason"]) for one in wrong["errors"]] == [("venues", "not_the_departments")]
