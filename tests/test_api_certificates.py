"""The work of a department, through HTTP alone, on a real log and a real embedded chain."""

from __future__ import annotations

import base64
import csv
import io
from datetime import UTC, datetime
from typing import Any

from api_office import (
    COMPANY,
    ISSUER,
    LICENCE,
    PERSON,
    USER,
    Office,
    licence,
    reason,
    register,
)
from httpx import Response

from verifier.trust import TrustBundle

pytest_plugins = ("api_chained",)


def test_a_certificate_walks_from_draft_to_receipt_evidence_and_offline_verdict(office: Office) -> None:
    made = register(office, 1)
    path = made["status_url"]
    office.settle()
    shown = office.send("GET", path, "registrar").json()
    assert (shown["stage"], shown["status"], shown["masked"]) == ("anchored", "valid", False)
    assert shown["face"]["certificate_identifier"] == made["identifier"]
    assert shown["face"]["issuing_authority_code"] == ISSUER
    receipt = office.send("GET", f"{path}/receipt", "auditor").json()
    assert receipt["index"] == shown["index"] < receipt["anchor"]["size"]
    assert base64.b64decode(receipt["receipt"]) and receipt["anchor"]["chain_id"] > 0
    bundle = office.send("GET", f"{path}/evidence", "registrar")
    assert bundle.headers["content-type"] == "application/vnd.suizheng.evidence+cbor"
    verdict = office.client.post("/api/v1/verifications", files={"file": ("x.szb", bundle.content)}).json()
    assert (verdict["state"], verdict["subject"]["certificate_identifier"]) == ("valid", made["identifier"])
    # The same bytes, with the trust bundle that anyone can fetch, and no server.
    from verifier import verify

    trust = TrustBundle.open(office.client.get("/api/v1/trust").content)
    assert verify(bundle.content, trust, datetime.now(UTC)).state == "valid"
    standing = office.client.get("/api/v1/status").json()
    assert standing["waiting"] == 0 and standing["chain"]["state"] == "up"


def test_evidence_is_for_the_issuer_alone_and_receipts_wait_for_the_chain(office: Office) -> None:
    made = register(office, 2)
    evidence = f"{made['status_url']}/evidence"
    assert reason(office.send("GET", evidence, "registrar", USER), 403) == "not_the_issuer"
    assert reason(office.send("GET", "/api/v1/certificates/" + "0" * 26 + "/evidence", "registrar"), 404)


def test_the_same_content_again_is_the_same_certificate(office: Office) -> None:
    first, again = register(office, 3), register(office, 3)
    assert (again["id"], again["duplicate"]) == (first["id"], True)
    other = office.send(
        "POST", "/api/v1/certificates", "registrar", json=licence(3, issue_date="20260104", valid_from="20260105")
    )
    assert reason(other, 409) == "number_taken"
    assert other.json()["evidence"]["existing_id"] == first["id"]


def test_a_wrong_draft_names_its_fields(office: Office) -> None:
    draft = licence(4)
    draft["holders"][0]["holder_code"] = "91310105MA1FWT0140"
    draft["issue_date"] = "20260230"
    draft["extend_info"].pop("address")
    answer = office.send("POST", "/api/v1/certificates", "registrar", json=draft)
    assert reason(answer, 422) == "invalid_draft"
    faults = {fault["field"]: fault["reason"] for fault in answer.json()["errors"]}
    assert faults["holders[0].holder_code"] == "wrong_check_character"
    assert faults["issue_date"] == "date_does_not_exist"
    assert faults["extend_info.address"] == "schema_mismatch"


def test_a_department_without_the_scope_may_not_issue(office: Office) -> None:
    answer = office.send("POST", "/api/v1/certificates", "registrar", USER, json=licence(5))
    assert reason(answer, 403) == "scope_missing"


def test_whose_certificate_it_is_shows_only_to_its_issuer(office: Office) -> None:
    proof = {
        "type_code": "11310105MB9T00011M003",
        "rows": [
            {
                "certificate_number": f"{PERSON}42",
                "issue_date": "20260105",
                "valid_from": "20260105",
                "valid_to": "20360104",
                "holders": [
                    {"holder_name": "示例戊", "holder_code": PERSON, "holder_code_type_code": "111"},
                ],
                "extend_info": {"gender": "女", "disability_category": "肢体残疾", "disability_grade": "二级"},
            }
        ],
    }
    report = office.send("POST", "/api/v1/certificates/batch", "registrar", json=proof).json()
    assert report["accepted"] == 1, report
    path = f"/api/v1/certificates/{report['rows'][0]['id']}"
    masked = office.send("GET", path, "window", USER)
    assert masked.json()["masked"] and PERSON not in masked.text and "示例戊" not in masked.text
    assert "肢体残疾" not in masked.text
    listed = office.send("GET", "/api/v1/certificates", "auditor", USER)
    assert PERSON not in listed.text
    disclosed = office.send("POST", f"{path}/disclosures", "window", USER, json={"purpose": "办理残疾人补贴"})
    assert disclosed.json()["face"]["holders"][0]["holder_code"] == PERSON
    assert reason(office.send("POST", f"{path}/disclosures", "window", USER, json={"purpose": " "}), 422)
    whole = office.send("GET", path, "registrar")
    assert whole.json()["face"]["holders"][0]["holder_name"] == "示例戊"


def test_holders_are_found_by_number_in_the_body_and_never_in_the_address(office: Office) -> None:
    register(office, 6)
    search = {"holder_code": COMPANY.lower(), "holder_code_type_code": "001", "purpose": "核对企业证照"}
    found = office.send("POST", "/api/v1/certificates/search", "window", USER, json=search).json()["items"]
    assert found and {line["type_code"] for line in found} == {LICENCE}
    assert reason(office.send("POST", "/api/v1/certificates/search", "window", json={**search, "purpose": "  "}), 422)
    inside = {**search, "issued_from": "2026-01-01", "issued_to": "2026-01-31"}
    assert office.send("POST", "/api/v1/certificates/search", "window", json=inside).json()["items"]
    before = {**search, "issued_to": "1950-01-01"}
    assert office.send("POST", "/api/v1/certificates/search", "window", json=before).json()["items"] == []
    document = office.send("GET", "/openapi.json").json()
    assert "holder" not in str(document["paths"]["/api/v1/certificates"]["get"]["parameters"])


def test_certificates_are_found_by_their_number_in_the_body_and_never_in_the_address(office: Office) -> None:
    made, path = register(office, 8), "/api/v1/certificates/number-search"
    number = licence(8)["certificate_number"]

    def found(**narrowing: object) -> list[str]:
        answer = office.send("POST", path, "auditor", USER, json={"number": number, **narrowing})
        return [line["id"] for line in answer.json()["items"]]

    assert found() == found(state="valid", type_code=LICENCE, issued_from="2000-01-01") == [made["id"]]
    assert found(state="suspended") == found(issued_to="1950-01-01") == []
    refused = office.send("GET", f"/api/v1/certificates?number={number}", "auditor")
    assert refused.status_code == 422 and refused.json()["errors"][0]["reason"] == "number_in_the_address"
    assert office.send("POST", path, "auditor", json={"number": "x", "issued_to": "soon"}).status_code == 422
    assert office.send("POST", path, "auditor", json={"number": "\0"}).status_code in (200, 422)


def test_a_period_narrows_the_list_and_one_that_ends_before_it_begins_is_refused(office: Office) -> None:
    made, path = register(office, 9), "/api/v1/certificates"
    day = made and licence(9)["issue_date"]
    day = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    lines = office.send("GET", f"{path}?issued_from={day}&issued_to={day}&state=valid&limit=200", "auditor").json()
    assert made["id"] in {line["id"] for line in lines["items"]}
    assert office.send("GET", f"{path}?issued_to=1950-01-01", "auditor").json()["items"] == []
    reversed_period = office.send("GET", f"{path}?issued_from=2026-02-01&issued_to=2026-01-01", "auditor")
    assert reversed_period.status_code == 422 and reversed_period.json()["errors"][0]["field"] == "issued_to"
    assert office.send("GET", f"{path}?issued_from=2026-01-01&cursor=zzz", "auditor").status_code == 422


def test_a_list_goes_on_where_it_ended(office: Office) -> None:
    ids = {register(office, number)["id"] for number in range(20, 27)}
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = f"/api/v1/certificates?limit=3&type_code={LICENCE}" + (f"&cursor={cursor}" if cursor else "")
        page = office.send("GET", query, "auditor").json()
        assert len(page["items"]) <= 3
        seen += [line["id"] for line in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) and ids <= set(seen)
    assert seen == sorted(seen, reverse=True)


def test_a_status_is_a_legal_event_that_the_verdict_knows_at_once(office: Office) -> None:
    made = register(office, 7)
    office.settle()
    bundle = office.send("GET", f"{made['status_url']}/evidence", "registrar").content
    change = {"operation": "suspend", "reason": "监督检查期间暂扣", "document": "示例〔2026〕1 号"}
    path = f"{made['status_url']}/status"
    assert reason(office.send("POST", path, "registrar", USER, json=change), 403) == "not_the_issuer"
    event = office.send("POST", path, "registrar", json=change).json()
    assert (event["from_status"], event["to_status"]) == ("valid", "suspended")
    assert reason(office.send("POST", path, "registrar", json=change), 409) == "transition_not_allowed"
    verdict = office.client.post("/api/v1/verifications", files={"file": ("x", bundle)}).json()
    assert verdict["state"] == "not_in_force"
    returned = office.send("POST", path, "registrar", json={"operation": "return", "reason": "发还"})
    assert returned.json()["to_status"] == "valid"
    assert len(office.send("GET", made["status_url"], "auditor").json()["events"]) == 2


# Batches


HEADERS = ["证照编号", "持证主体", "持证主体代码", "证照颁发日期", "有效期起始", "有效期截止"]
OWN = ["主体类型", "法定代表人（负责人、经营者）", "成立日期", "住所（经营场所）", "经营范围"]


def row(number: int, **changed: str) -> list[str]:
    facts = {
        "证照编号": f"0500000020260201{number:04d}",
        "持证主体": "上海长宁示例商贸有限公司",
        "持证主体代码": COMPANY,
        "证照颁发日期": "20260105",
        "有效期起始": "2026-01-05",
        "有效期截止": "长期",
        **dict(zip(OWN, ["有限责任公司", "示例甲", "2026年1月5日", "长宁区示例路 1 号", "日用百货"], strict=True)),
        **changed,
    }
    return [facts[header] for header in HEADERS + OWN]


def sheet(*rows: list[str], encoding: str = "utf-8") -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([HEADERS + OWN, *rows])
    return text.getvalue().encode(encoding)


def upload(office: Office, data: bytes, type_code: str = LICENCE, **kwargs: Any) -> Response:
    files = {"file": ("证照.csv", data)}
    return office.send(
        "POST", "/api/v1/certificates/batch", "registrar", files=files, data={"type_code": type_code}, **kwargs
    )


def test_a_file_is_reported_row_by_row_with_its_own_row_numbers_and_headers(office: Office) -> None:
    data = sheet(
        row(1),
        row(2, 持证主体代码="91310105MA1FWT0140"),
        row(3, 证照颁发日期="2026-02-30"),
        row(1),
        row(4, 经营范围=""),
        encoding="gb18030",
    )
    report = upload(office, data).json()
    assert (report["accepted"], report["duplicate"], report["refused"]) == (1, 1, 3)
    assert [line["row"] for line in report["rows"]] == [2, 3, 4, 5, 6]
    assert [line["outcome"] for line in report["rows"]] == ["accepted", "refused", "refused", "duplicate", "refused"]
    assert report["rows"][3]["id"] == report["rows"][0]["id"]
    faults = [(line["row"], fault["field"], fault["reason"]) for line in report["rows"] for fault in line["errors"]]
    assert faults == [
        (3, "持证主体代码", "wrong_check_character"),
        (4, "证照颁发日期", "no_such_day"),
        (6, "经营范围", "schema_mismatch"),
    ]


def test_a_whole_file_may_be_sent_again(office: Office) -> None:
    data = sheet(*[row(number) for number in range(100, 150)])
    repeated = {"Idempotency-Key": "batch-file-0001"}
    first = upload(office, data, headers=repeated)
    again = upload(office, data, headers=repeated)
    assert first.json()["accepted"] == 50
    assert again.json() == first.json() and again.headers["idempotency-replayed"] == "true"
    anew = upload(office, data).json()
    assert (anew["accepted"], anew["duplicate"]) == (0, 50)
    other = upload(office, sheet(row(151)), headers=repeated)
    assert reason(other, 422) == "idempotency_key_reused"


def test_what_cannot_be_read_whole_is_refused_whole(office: Office) -> None:
    assert reason(upload(office, b"PK\x03\x04broken"), 422) == "broken_xlsx"
    assert reason(upload(office, sheet(row(200)), "unknown"), 404) == "type_unknown"
    missing = upload(office, "证照编号,持证主体\n1,2\n".encode())
    assert reason(missing, 422) == "wrong_columns"
    assert {"持证主体代码", "经营范围"} <= {fault["field"] for fault in missing.json()["errors"]}
    assert reason(office.send("POST", "/api/v1/certificates/batch", "registrar", content=b"x"), 415)
    assert reason(office.send("POST", "/api/v1/certificates/batch", "registrar", json={"rows": []}), 422)
    assert reason(office.send("POST", "/api/v1/certificates/batch", "registrar", files={"other": b""}), 422)


def test_a_batch_without_the_scope_is_one_error(office: Office) -> None:
    files = {"file": ("x.csv", sheet(*[row(number) for number in range(300, 310)]))}
    answer = office.send(
        "POST", "/api/v1/certificates/batch", "registrar", USER, files=files, data={"type_code": LICENCE}
    )
    assert reason(answer, 403) == "scope_missing"


def test_the_template_of_a_type_reads_back_as_its_columns(office: Office) -> None:
    template = office.send("GET", f"/api/v1/types/{LICENCE}/template.csv", "registrar")
    header = next(csv.reader(io.StringIO(template.content.decode("utf-8-sig"))))
    detail = office.send("GET", f"/api/v1/types/{LICENCE}").json()
    assert header == [column["header"] for column in detail["columns"]]
    filled = sheet(row(400)).decode().split("\n", 1)
    assert set(HEADERS + OWN) <= set(header) and filled
