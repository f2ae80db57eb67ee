"""Derived copies: who may make one, what it says, and that it dies with its end, its original, a byte."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from api_office import (
    COMPANY,
    ISSUER,
    LICENCE,
    PERSON,
    USER,
    OpenOffice,
    key,
    open_office,
    reason,
    register,
    settings_in,
)

from codes import pages
from registry.copies.rules import CopyRequest, check_request
from verifier import verify
from verifier.derived_copy import verify_copy
from verifier.times import SHANGHAI
from verifier.trust import TrustBundle

MATTER, PURPOSE = "CN-COPY-01", "办理户外招牌设置"
SENIOR = "11310105MB9T00011M004"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("copies"), chain="embedded")) as office:
        slots = [{"code": "CL01", "name": "主体资格证明", "accepts": [LICENCE, SENIOR]}]
        matter = {"code": MATTER, "name": "户外招牌设置", "department": USER, "purpose": PURPOSE, "slots": slots}
        assert office.send("POST", "/api/v1/matters", json=matter).status_code == 201
        yield office


def ask(
    office: OpenOffice, made: dict[str, Any], role: str = "registrar", department: str = ISSUER, **more: Any
) -> Any:
    body = {
        "purpose": PURPOSE, "matter_code": MATTER, "receiver": "长宁区绿化市容局",
        "expires_at": (datetime.now(UTC) + timedelta(days=30)).isoformat(), **more,
    }  # fmt: skip
    return office.send("POST", f"{made['status_url']}/copies", role, department, json=body)


def pdf_of(office: OpenOffice, copy: dict[str, Any], department: str = ISSUER) -> bytes:
    answer = office.send("GET", f"/api/v1/copies/{copy['id']}/file", "window", department)
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/pdf"
    return answer.content


def evidence_of(office: OpenOffice, copy: dict[str, Any]) -> bytes:
    office.settle()
    answer = office.send("GET", f"/api/v1/copies/{copy['id']}/evidence", "registrar")
    assert answer.status_code == 200, answer.text
    return answer.content


def text_of(pdf: bytes) -> str:
    return "".join("".join(page.get_textpage().get_text_range().split()) for page in pypdfium2.PdfDocument(pdf))


def code_of(pdf: bytes) -> str:
    (found,) = pages.read(pdf).found
    assert found.page == 1
    return found.text


def trust_of(office: OpenOffice) -> TrustBundle:
    return TrustBundle.open(office.client.get("/api/v1/trust").content)


def test_a_copy_holds_until_its_end_its_originals_end_or_a_changed_byte(office: OpenOffice, tmp_path: Path) -> None:
    made = register(office, 1)
    office.settle()
    answer = ask(office, made)
    assert answer.status_code == 201, answer.text
    copy = answer.json()
    assert (copy["number"], copy["state"], copy["masked"]) == (1, "valid", True)
    pdf, bundle, trust = pdf_of(office, copy), evidence_of(office, copy), trust_of(office)
    for word in (PURPOSE, "长宁区绿化市容局", copy["id"], COMPANY):
        assert word in text_of(pdf)
    code, now = code_of(pdf), datetime.now(UTC)
    later = now + timedelta(days=31)

    def states(at: datetime, by: TrustBundle) -> list[tuple[str, str]]:
        verdicts = (verify(bundle, by, at), verify_copy(bundle, by, at, pdf), verify(code.encode(), by, at))
        return [(str(verdict.state), verdict.reason) for verdict in verdicts]

    assert states(now, trust) == [("valid", "ok")] * 3
    assert verify(bundle, trust, now).subject["purpose"] == PURPOSE
    # A month later the trust bundle is stale too, which says nothing against the copy: its own end is told beside it.
    ended = (verify(bundle, trust, later), verify(code.encode(), trust, later))
    told = [one for verdict in ended for one in verdict.checks if one.check == "validity"]
    assert [(str(one.outcome), one.reason) for one in told] == [("failed", "expired")] * 2
    assert [str(verdict.state) for verdict in ended] == ["not_in_force"] * 2
    for place in (0, len(pdf) // 2, len(pdf) - 1):
        forged = pdf[:place] + bytes((pdf[place] ^ 1,)) + pdf[place + 1 :]
        verdict = verify_copy(bundle, trust, now, forged)
        assert (verdict.state, verdict.reason) == ("invalid", "file_differs")
    unchecked = [one.reason for one in verify(code.encode(), trust, now).checks if one.check == "files"]
    assert unchecked == ["paper_unchecked"]
    (tmp_path / "copy.pdf").write_bytes(pdf)
    (tmp_path / "copy.szb").write_bytes(bundle)
    (tmp_path / "trust.json").write_bytes(office.client.get("/api/v1/trust").content)
    command = [sys.executable, "-m", "api.cli", "verify", "copy.pdf", "--evidence", "copy.szb", "--trust", "trust.json"]
    run = lambda: subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60)  # noqa: E731
    assert run().returncode == 0
    (tmp_path / "copy.pdf").write_bytes(pdf + b"\n")
    assert run().returncode == 1
    # The original ends, and with it every copy, old and new.
    body = {"operation": "revoke", "reason": "经核实予以撤销", "document": "沪长〔2026〕1号"}
    assert office.send("POST", f"{made['status_url']}/status", "registrar", json=body).status_code == 200
    office.settle()
    assert states(datetime.now(UTC), trust_of(office)) == [("not_in_force", "status_revoked")] * 3
    assert reason(ask(office, made), 409) == "original_not_in_force"
    listed = office.send("GET", f"{made['status_url']}/copies", "auditor").json()["items"]
    assert [one["state"] for one in listed] == ["revoked"]


def test_one_copy_is_revoked_alone_online_at_once_and_offline_with_the_next_list(office: OpenOffice) -> None:
    made = register(office, 40)
    office.settle()
    ended, kept = (ask(office, made).json() for _ in range(2))
    offline = trust_of(office)
    shown = [(code_of(pdf_of(office, copy)), evidence_of(office, copy), pdf_of(office, copy)) for copy in (ended, kept)]

    def states(by: TrustBundle) -> list[list[tuple[str, str]]]:
        now = datetime.now(UTC)
        verdicts = [
            (verify(code.encode(), by, now), verify(bundle, by, now), verify_copy(bundle, by, now, pdf))
            for code, bundle, pdf in shown
        ]
        return [[(str(verdict.state), verdict.reason) for verdict in three] for three in verdicts]

    path, why = f"/api/v1/copies/{ended['id']}/revoke", {"reason": "接收单位填错"}
    assert reason(office.send("POST", path, "registrar", json={"reason": " "}), 422) == "invalid_draft"
    assert reason(office.send("POST", path, "registrar", USER, json=why), 404) == "copy_unknown"
    assert office.send("POST", path, "auditor", json=why).status_code == 403
    first = office.send("POST", path, "window", json=why)
    again = office.send("POST", path, "registrar", json={"reason": "又一次"})
    assert first.status_code == again.status_code == 200, first.text
    said = [(one.json()["state"], one.json()["revoked_reason"]) for one in (first, again)]
    assert said == [("revoked", "接收单位填错")] * 2
    online = office.client.post("/api/v1/verifications", json={"text": shown[0][0]}).json()
    assert (online["state"], online["reason"]) == ("not_in_force", "status_revoked")
    office.settle()
    fine, gone = [("valid", "ok")] * 3, [("not_in_force", "status_revoked")] * 3
    # Who still has the older list cannot know yet.
    assert states(trust_of(office)) == [gone, fine]
    assert verify(shown[0][0].encode(), offline, datetime.now(UTC)).state == "valid"
    listed = office.send("GET", f"{made['status_url']}/copies", "registrar").json()["items"]
    assert {one["id"]: one["state"] for one in listed} == {ended["id"]: "revoked", kept["id"]: "valid"}
    assert office.send("GET", made["status_url"], "registrar").json()["status"] == "valid"


def test_no_altered_bundle_of_a_copy_is_valid(office: OpenOffice) -> None:
    made = register(office, 2)
    office.settle()
    bundle, trust, now = evidence_of(office, ask(office, made).json()), trust_of(office), datetime.now(UTC)
    for place in range(0, len(bundle), max(1, len(bundle) // 150)):
        altered = bundle[:place] + bytes((bundle[place] ^ 4,)) + bundle[place + 1 :]
        assert verify(altered, trust, now).state != "valid", place
    certificate = office.send("GET", f"{made['status_url']}/evidence", "registrar").content
    assert verify_copy(certificate, trust, now).reason == "not_a_copy"
    # A copy's parts under the name of a certificate's are not one.
    assert verify(bundle.replace(b"suizheng-copy/1", b"suizheng-copy/2"), trust, now).state == "invalid"


def test_a_copy_needs_a_right_to_it(office: OpenOffice) -> None:
    made = register(office, 3)
    office.settle()
    assert reason(ask(office, made, "window", USER), 403) == "authorisation_missing"
    assert reason(ask(office, made, "auditor"), 403)
    grant = {
        "route": "function", "grantee": USER, "matter_code": MATTER, "purpose": PURPOSE, "type_code": LICENCE,
        "valid_from_at": datetime.now(UTC).isoformat(), "max_uses": 1,
        "valid_to_at": (datetime.now(UTC) + timedelta(days=9)).isoformat(),
    }  # fmt: skip
    authorisation = office.send("POST", "/api/v1/authorisations", "registrar", json=grant).json()["id"]
    wanted = {"authorisation_id": authorisation}
    assert reason(ask(office, made, "window", USER, **wanted, purpose="另一用途"), 403) == "wrong_purpose"
    assert reason(ask(office, made, "window", USER, **wanted, masked=False), 403) == "whole_face_not_allowed"
    copy = ask(office, made, "window", USER, **wanted)
    assert copy.status_code == 201 and copy.json()["department"] == USER
    # It counted as the one use.
    assert reason(ask(office, made, "window", USER, **wanted), 403) == "authorisation_exhausted"
    now, trust = datetime.now(UTC), trust_of(office)
    assert verify(evidence_of(office, copy.json()), trust_of(office), now).state == "valid" and trust
    # Of others' copies nobody learns, but the issuer sees who has one.
    own = ask(office, made).json()
    listed = lambda department: [  # noqa: E731
        one["id"] for one in office.send("GET", f"{made['status_url']}/copies", "window", department).json()["items"]
    ]
    assert (listed(USER), listed(ISSUER)) == ([copy.json()["id"]], [own["id"], copy.json()["id"]])
    assert reason(office.send("GET", f"/api/v1/copies/{own['id']}/file", "window", USER), 404) == "copy_unknown"


def test_a_copy_by_a_use_is_for_its_matter_and_purpose(office: OpenOffice) -> None:
    made = register(office, 4)
    office.settle()
    grant = {
        "route": "function", "grantee": USER, "matter_code": MATTER, "purpose": PURPOSE, "type_code": LICENCE,
        "valid_from_at": datetime.now(UTC).isoformat(),
        "valid_to_at": (datetime.now(UTC) + timedelta(days=9)).isoformat(),
    }  # fmt: skip
    authorisation = office.send("POST", "/api/v1/authorisations", "registrar", json=grant).json()["id"]
    use = {
        "item_kind": "certificate", "item_id": made["id"], "matter_code": MATTER, "case_no": "2026-000004",
        "purpose": PURPOSE, "authorisation_id": authorisation, "device": "desk-1", "operator": "staff:1",
    }  # fmt: skip
    used = office.send("POST", "/api/v1/uses", "window", USER, json=use)
    assert used.status_code == 201, used.text
    by_use = {"use_id": used.json()["id"], "purpose": "", "matter_code": ""}
    copy = ask(office, made, "window", USER, **by_use).json()
    assert (copy["purpose"], copy["matter_code"], copy["use_id"]) == (PURPOSE, MATTER, used.json()["id"])
    other = register(office, 5)
    office.settle()
    assert reason(ask(office, other, "window", USER, **by_use), 404) == "use_unknown"
    assert reason(ask(office, made, "window", ISSUER, **by_use), 404) == "use_unknown"


@pytest.mark.parametrize(
    ("changes", "field", "fault"),
    [
        ({"purpose": "  "}, "purpose", "wrong_length"),
        ({"purpose": "一" * 101}, "purpose", "wrong_length"),
        ({"receiver": ""}, "receiver", "wrong_length"),
        ({"matter_code": ""}, "matter_code", "wrong_length"),
        ({"expires_at": "2020-01-01T00:00:00+08:00"}, "expires_at", "in_the_past"),
        ({"expires_at": "2999-01-01T00:00:00+08:00"}, "expires_at", "too_late"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(
    office: OpenOffice, changes: dict[str, Any], field: str, fault: str
) -> None:
    made = register(office, 6)
    answer = ask(office, made, **changes)
    assert reason(answer, 422) == "invalid_draft"
    assert [(one["field"], one["reason"]) for one in answer.json()["errors"]] == [(field, fault)]
    assert office.send("GET", f"{made['status_url']}/copies", "registrar").json()["items"] == []


def test_a_copy_lasts_no_longer_than_its_original_and_than_a_matter_takes() -> None:
    now, last = datetime(2026, 11, 26, 2, 0, tzinfo=UTC), date(2026, 12, 6)
    midnight = datetime(2026, 12, 7, tzinfo=SHANGHAI)
    ends = {
        midnight: [], midnight + timedelta(seconds=1): ["after_the_original"], now: ["in_the_past"],
        now + timedelta(days=180): ["after_the_original"], now + timedelta(days=180, seconds=1): ["too_late"],
    }  # fmt: skip
    for at, faults in ends.items():
        request = CopyRequest("x", MATTER, PURPOSE, "接收单位", at)
        assert [one.reason for one in check_request(request, now, last)] == faults
    assert check_request(CopyRequest("x", MATTER, PURPOSE, "接收单位", now + timedelta(days=180)), now, None) == []


def test_a_copy_is_for_a_matter_that_exists(office: OpenOffice) -> None:
    assert reason(ask(office, register(office, 8), matter_code="NOTHING"), 404)


def test_people_are_masked_unless_the_issuers_registrar_asks_for_the_whole(office: OpenOffice) -> None:
    draft = {
        "certificate_type_code": SENIOR, "certificate_number": "3101052026000001", "issue_date": "20260101",
        "valid_from": "20260101", "valid_to": "长期", "extend_info": {"gender": "男", "born_on": "18990101"},
        "holders": [{"holder_name": "随甲", "holder_code": PERSON, "holder_code_type_code": "111"}],
    }  # fmt: skip
    answer = office.send("POST", "/api/v1/certificates", "registrar", json=draft)
    assert answer.status_code == 202, answer.text
    made = answer.json()
    office.settle()
    masked = text_of(pdf_of(office, ask(office, made).json()))
    assert PERSON not in masked and "随甲" not in masked
    whole = ask(office, made, masked=False).json()
    assert PERSON in text_of(pdf_of(office, whole))
    assert reason(ask(office, made, "window", masked=False), 403) == "whole_face_not_allowed"
    # Neither the code nor the log says who it is about.
    assert PERSON not in code_of(pdf_of(office, whole))


def test_a_repeated_request_is_one_copy(office: OpenOffice) -> None:
    made = register(office, 9)
    office.settle()
    same = {"headers": key()}
    body = {
        "purpose": PURPOSE, "matter_code": MATTER, "receiver": "接收单位",
        "expires_at": (datetime.now(UTC) + timedelta(days=3)).isoformat(),
    }  # fmt: skip
    path = f"{made['status_url']}/copies"
    first, again = (office.send("POST", path, "registrar", json=body, **same).json() for _ in range(2))
    assert first["id"] == again["id"]
    assert len(office.send("GET", path, "registrar").json()["items"]) == 1


def test_an_auditor_finds_an_altered_copy(office: OpenOffice) -> None:
    from sqlalchemy import text

    from api.audit import holdings
    from api.audit.findings import Findings

    # Only what is in the log already is held against it.
    office.settle()
    with office.services.engine.begin() as connection:
        holdings.check(connection, whole := Findings(all_of_them=True))
        assert whole.divergences == []
        connection.execute(text("UPDATE derived_copies SET receiver = 'x' WHERE number = 1"))
        holdings.check(connection, altered := Findings(all_of_them=True))
        assert altered.divergences and {one.where["table"] for one in altered.divergences} == {"derived_copies"}
        connection.rollback()
