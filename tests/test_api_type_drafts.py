"""Types written over HTTP: drafts with all their faults, publishing, and local codes that stand for types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from api_office import ISSUER, LICENCE, RESIDENCE_PROOF, OpenOffice, licence, open_office, settings_in

DRAFTS = "/api/v1/type-drafts"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("office"))) as opened:
        yield opened


def started(office: OpenOffice, **body: Any) -> dict[str, Any]:
    answer = office.send("POST", DRAFTS, json=body)
    assert answer.status_code == 201, answer.text
    draft: dict[str, Any] = answer.json()
    return draft


def save(office: OpenOffice, draft: dict[str, Any], **changes: Any) -> Any:
    body = {"revision": draft["revision"], "sheet": {**draft["sheet"], **changes}}
    return office.send("PUT", f"{DRAFTS}/{draft['id']}", json=body)


def test_a_type_is_written_with_faults_mended_and_published(office: OpenOffice) -> None:
    draft = started(office)
    path = f"{DRAFTS}/{draft['id']}"
    assert draft["version"] == 1 and draft["type_code"] is None
    rows = [{"name": "Shop Name", "title": "店名"}, {"name": "opened_on", "title": "开业日期", "kind": "day"}]
    faulty = save(office, draft, name="示例备案证", long_term=True, rows=rows).json()
    assert "rows[0].name" in [fault["field"] for fault in faulty["faults"]]
    assert faulty["sheet"]["rows"][0]["name"] == "Shop Name"
    refused = office.send("POST", f"{path}/publish", json={"revision": faulty["revision"]})
    assert refused.status_code == 422 and refused.json()["errors"][0]["message"]
    # Who saw an older revision neither saves nor publishes.
    assert save(office, draft).json()["reason"] == "draft_changed"
    mended = save(
        office, faulty, title="示例备案证", rows=[{**rows[0], "name": "shop_name", "required": True}, rows[1]]
    ).json()
    assert mended["faults"] == []
    late = office.send("POST", f"{path}/publish", json={"revision": faulty["revision"]})
    assert (late.status_code, late.json()["reason"]) == (409, "draft_changed")
    made = office.send("POST", f"{path}/publish", json={"revision": mended["revision"]}).json()
    assert (made["name"], made["version"], made["code"][:18]) == ("示例备案证", 1, ISSUER)
    schema = office.send("GET", f"/api/v1/types/{made['code']}").json()["face_schema"]
    assert schema["required"] == ["shop_name"]
    assert office.send("GET", path).status_code == 404


def test_a_draft_is_taken_back_put_aside_and_restored(office: OpenOffice) -> None:
    draft = started(office, type_code=LICENCE)
    path = f"{DRAFTS}/{draft['id']}"
    # The draft of a type is the one that is being written.
    assert started(office, type_code=LICENCE)["id"] == draft["id"]
    nothing = office.send("POST", f"{path}/take-back")
    assert (nothing.status_code, nothing.json()["reason"]) == (409, "nothing_to_take_back")
    # What one version hands on to the next stays.
    saved = save(office, draft, name="营业执照（新）", serial="999", kind="material").json()
    assert (saved["name"], saved["sheet"]["serial"], saved["sheet"]["kind"]) == (
        "营业执照（新）", draft["sheet"]["serial"], "certificate",
    )  # fmt: skip
    assert office.send("POST", f"{path}/take-back").json()["name"] == draft["name"]
    assert office.send("POST", f"{path}/discard").json()["discarded_at"]
    assert office.send("POST", f"{path}/take-back").json()["reason"] == "draft_discarded"
    assert office.send("POST", f"{path}/restore").json()["discarded_at"] is None
    listed = office.send("GET", DRAFTS).json()["items"]
    assert draft["id"] in [one["id"] for one in listed]
    assert office.send("GET", DRAFTS, "registrar").status_code == 403


def test_a_schema_becomes_rows_and_a_wrong_one_is_refused(office: OpenOffice) -> None:
    draft = started(office)
    path = f"{DRAFTS}/{draft['id']}/schema"
    schema = {
        "type": "object", "additionalProperties": False,
        "properties": {"grade": {"type": "string", "title": "等级", "enum": ["甲", "乙"]}},
    }  # fmt: skip
    saved = office.send("PUT", path, json={"revision": draft["revision"], "face_schema": schema}).json()
    assert [(row["name"], row["kind"]) for row in saved["sheet"]["rows"]] == [("grade", "choice")]
    for wrong in ({}, {"properties": {"a": 1}}, {"properties": {"a": {"type": "nothing"}}}, {"required": 1}):
        refused = office.send("PUT", path, json={"revision": saved["revision"], "face_schema": wrong})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "schema"), wrong


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": [{"name": "a", "title": "甲", "kind": "unheard"}]},
        {"rows": [{"name": "a", "more": 1}]},
        {"holder_types": "111"},
        {"rows": [{}] * 61},
        {"unheard": 1},
    ],
)
def test_what_is_no_sheet_is_refused_by_its_field(office: OpenOffice, changes: dict[str, Any]) -> None:
    refused = save(office, started(office), **changes)
    assert refused.status_code == 422 and refused.json()["errors"]


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": [{"name": "a", "title": "甲", "kind": "other", "kept": {"$ref": "#/nowhere"}}]},
        {"rows": [{"name": "a", "title": "甲", "kind": "integer", "form": "9-1"}]},
        {"rows": [{"name": "a", "title": "甲", "form": "("}]},
        {"frame": "unheard", "rest": {"$defs": 1}},
        {"number_pattern": "(", "holder_minimum": "-1", "holder_types": ["999"]},
    ],
)
def test_any_sheet_is_kept_and_its_faults_are_named(office: OpenOffice, changes: dict[str, Any]) -> None:
    saved = save(office, started(office), name="示例", long_term=True, **changes)
    assert saved.status_code == 200 and saved.json()["faults"]
    refused = office.send("POST", f"{DRAFTS}/{saved.json()['id']}/publish", json={"revision": saved.json()["revision"]})
    assert refused.status_code == 422


def test_local_codes_stand_for_their_type_in_lists_too(office: OpenOffice) -> None:
    path = f"/api/v1/types/{LICENCE}/local-codes"
    for code in ("310105109000100", "310105109000101"):
        added = office.send("POST", path, json={"local_code": code})
        assert added.status_code == 201
    assert added.json() == {"code": LICENCE, "local_codes": ["310105109000100", "310105109000101"]}
    taken = office.send("POST", f"/api/v1/types/{RESIDENCE_PROOF}/local-codes", json={"local_code": "310105109000100"})
    assert (taken.status_code, taken.json()["reason"]) == (409, "local_code_taken")
    assert office.send("POST", path, json={"local_code": "小"}).json()["errors"][0]["field"] == "local_code"
    assert office.send("POST", path, "registrar", json={"local_code": "CN-0001"}).status_code == 403
    made = office.send("POST", "/api/v1/certificates", "registrar", json=licence(1)).json()["id"]
    for code in (LICENCE, "310105109000100", "310105109000101"):
        found = office.send("GET", f"/api/v1/certificates?type_code={code}", "registrar").json()["items"]
        assert [one["id"] for one in found] == [made], code
    assert office.send("DELETE", f"{path}/310105109000100").json()["local_codes"] == ["310105109000101"]
    assert office.send("DELETE", f"{path}/310105109000100").status_code == 404
    for code in ("310105109000100", RESIDENCE_PROOF):
        assert office.send("GET", f"/api/v1/certificates?type_code={code}", "registrar").json()["items"] == []
