"""What anyone may have, and whatever anyone may send."""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import quote

import pytest
from api_office import (
    COMPANY,
    Office,
    key,
    licence,
    reason,
    register,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ofd_maker import make_person
from page_maker import page_with, pdf_of
from test_certificate_file import SECRETS
from test_pictures_of_others import ELSEWHERE, FOREIGN, UNREAD, drawn

from api.access import ANY, OPERATIONS
from api.pages import explorer
from verifier.trust import TrustBundle

pytest_plugins = ("api_chained",)

SM2_CERTIFICATE = base64.b64encode(make_person("国密").certificate).decode()


def test_anyone_can_mirror_the_log_and_nothing_else(office: Office) -> None:
    office.settle()
    checkpoint = office.client.get("/log/checkpoint")
    assert checkpoint.headers["content-type"] == "text/plain; charset=utf-8"
    assert checkpoint.headers["cache-control"] == "public, max-age=2"
    size = int(checkpoint.text.splitlines()[1])
    assert size == office.client.get("/api/v1/status").json()["size"]
    width = size % 256
    name = f"/log/tile/0/{size // 256:03d}" + (f".p/{width}" if width else "")
    tile = office.client.get(name)
    assert (tile.status_code, len(tile.content)) == (200, (width or 256) * 32)
    assert "immutable" in tile.headers["cache-control"]
    assert office.client.head("/log/checkpoint").status_code == 200
    bundle = name.replace("/tile/0/", "/tile/entries/")
    plain = office.client.get(bundle, headers={"Accept-Encoding": "identity"})
    packed = office.client.get(bundle, headers={"Accept-Encoding": "br;q=1, gzip"})
    refused = office.client.get(bundle, headers={"Accept-Encoding": "gzip;q=0"})
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in refused.headers
    assert plain.content == packed.content == refused.content != b""
    assert {answer.headers["vary"] for answer in (plain, packed, refused)} == {"Accept-Encoding"}
    assert int(packed.headers["content-length"]) < len(plain.content)
    assert tile.headers["content-type"] == plain.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    "path",
    [
        "../registry.db",
        "..%2fregistry.db",
        "%2e%2e/keys/blind.key",
        "tile/../../registry.db",
        "tile/0/000/../../../keys/blind.key",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "tile\\..\\..\\registry.db",
        ".lock",
        "",
        "tile",
        "tile/0/x000",
    ],
)
def test_no_path_leads_out_of_the_log(office: Office, path: str) -> None:
    answer = office.client.get(f"/log/{path}")
    assert answer.status_code == 404
    assert b"SQLite" not in answer.content and b"root:" not in answer.content


def test_the_log_is_searched_for_one_leaf_hash_at_a_time_and_indices_are_found_meanwhile(office: Office) -> None:
    unknown = f"/explore?q={'ab' * 32}"
    assert office.client.get(unknown).status_code == 404
    with explorer._SEARCHING:
        busy = office.client.get(unknown)
        assert (busy.status_code, busy.headers["retry-after"]) == (503, "2")
        assert office.client.get("/explore?q=999,999").status_code == 404
    assert office.client.get(unknown).status_code == 404


def test_the_trust_bundle_is_told_unchanged_by_its_tag(office: Office) -> None:
    first = office.client.get("/api/v1/trust")
    assert office.client.get("/api/v1/trust", headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    register(office, 900)
    office.settle()
    later = office.client.get("/api/v1/trust", headers={"If-None-Match": first.headers["etag"]})
    assert later.status_code == 200
    TrustBundle.open(first.content).accept(later.content)


def test_the_reference_names_every_operation_and_needs_nothing_from_elsewhere(office: Office) -> None:
    page = office.send("GET", "/docs").text
    document = office.send("GET", "/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"] and any("\u4e00" <= letter <= "\u9fff" for letter in operation["summary"])
            assert operation["tags"]
            assert f"<b>{method.upper()}</b><code>{path}</code>" in page
    assert "http://" not in page and "https://" not in page and "<script" not in page and "style=" not in page


# Verification of anything


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(lambda noise: b"\x89PNG\r\n\x1a\n" + noise)))
def test_any_bytes_get_a_verdict_that_is_not_valid(office: Office, noise: bytes) -> None:
    answer = office.client.post("/api/v1/verifications", files={"file": ("noise", noise)})
    assert answer.status_code == 200
    assert answer.json()["state"] in ("invalid", "undecided")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.one_of(st.text(max_size=200), st.text("0123456789ABCDEF $%*+-./:", max_size=300).map(lambda t: "SZ1:" + t)))
def test_any_text_gets_a_verdict_that_is_not_valid(office: Office, text: str) -> None:
    answer = office.client.post("/api/v1/verifications", json={"text": text})
    assert answer.status_code == 200
    assert answer.json()["state"] in ("invalid", "undecided")


def test_an_altered_bundle_is_never_valid(office: Office) -> None:
    made = register(office, 901)
    office.settle()
    bundle = bytearray(office.send("GET", f"{made['status_url']}/evidence", "registrar").content)
    for place in range(0, len(bundle), max(1, len(bundle) // 60)):
        bundle[place] ^= 1
        answer = office.client.post("/api/v1/verifications", files={"file": ("x", bytes(bundle))})
        assert (answer.status_code, answer.json()["state"] == "valid") == (200, False), place
        bundle[place] ^= 1


def test_a_request_for_a_verdict_that_cannot_be_read_is_a_problem(office: Office) -> None:
    post = office.client.post
    kind = {"Content-Type": "application/json"}
    assert reason(post("/api/v1/verifications", content=b"{", headers=kind), 400) == "not_json"
    assert reason(post("/api/v1/verifications", json={"words": "x"}), 422) == "invalid_request"
    assert reason(post("/api/v1/verifications", json={"text": "x", "at": "yesterday"}), 422) == "invalid_request"
    assert reason(post("/api/v1/verifications", content=b"SZ1:", headers={"Content-Type": "text/plain"}), 415)
    assert reason(post("/api/v1/verifications", files={"other": b"x"}), 422) == "incomplete_form"
    nothing = post("/api/v1/verifications", files={"file": ("empty", b"")})
    assert nothing.status_code == 200 and nothing.json()["state"] == "invalid"


def test_a_verdict_can_be_asked_for_another_time(office: Office) -> None:
    made = register(office, 902)
    office.settle()
    bundle = office.send("GET", f"{made['status_url']}/evidence", "registrar").content
    asked = {"file": ("x", bundle)}
    before = office.client.post("/api/v1/verifications", files=asked, data={"at": "2025-01-01T00:00:00+08:00"})
    assert before.json()["state"] != "valid"
    assert reason(office.client.post("/api/v1/verifications", files=asked, data={"at": "2025-01-01"}), 422)
    assert key()["Idempotency-Key"].startswith("office-key-")


# Requests that nobody would make

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
TAKING_JSON = sorted(
    operation for operation, rule in OPERATIONS.items() if operation.startswith("POST") and rule.body == "json"
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.sampled_from(TAKING_JSON), st.text(min_size=1, max_size=26), ANY_JSON)
def test_no_body_and_no_id_makes_an_operation_fail(office: Office, operation: str, name: str, body: Any) -> None:
    template = operation.split(" ", 1)[1]
    path = re.sub(r"\{[^}]*\}", quote(name, safe=""), template)
    rule = OPERATIONS[operation]
    role = "auditor" if rule.is_public or rule.roles == ANY else sorted(rule.roles)[0]
    assert office.send("POST", path, role, json=body).status_code < 500


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.sampled_from([*licence(), "extend_info.address", "holders.0.holder_code", "files"]), ANY_JSON)
def test_one_wrong_field_is_a_problem_that_names_it(office: Office, field: str, value: Any) -> None:
    draft = licence(950)
    if field == "extend_info.address":
        draft["extend_info"]["address"] = value
    elif field == "holders.0.holder_code":
        draft["holders"][0]["holder_code"] = value
    else:
        draft[field] = value
    answer = office.send("POST", "/api/v1/certificates", "registrar", json=draft)
    assert answer.status_code in (202, 404, 409, 422), answer.text
    if answer.status_code == 422:
        faults = answer.json()["errors"]
        assert any(fault["field"].split(".")[0].split("[")[0] == field.split(".")[0] for fault in faults), faults


@pytest.mark.parametrize(
    ("data", "reason"),
    [(drawn(FOREIGN, ELSEWHERE), "unknown_issuer"), *((data, "picture_not_read") for data in UNREAD)],
)
def test_a_picture_that_decides_nothing_is_not_called_invalid(office: Office, data: bytes, reason: str) -> None:
    found = office.client.post("/api/v1/verifications", files={"file": ("picture", data)}).json()
    assert (found["state"], found["reason"]) == ("undecided", reason)
    stranger = office.client.post("/api/v1/verifications", files={"file": ("picture", drawn(ELSEWHERE))}).json()
    assert (stranger["state"], stranger["reason"]) == ("invalid", "not_ours")


def test_a_code_on_a_page_of_a_pdf_is_judged_and_its_page_is_told(office: Office) -> None:
    wanted = {"kind": "enterprise", "code": COMPANY, "name": "上海长宁示例商贸有限公司"}
    code = office.send("POST", "/api/v1/codes", "window", json=wanted).json()["text"]
    pdf = pdf_of(page_with(), page_with(code), page_with(ELSEWHERE.upper()))
    for data, told in (
        (pdf, ("valid", "ok", {"page": 2, "pages": 3, "codes": 2})),
        (pdf_of(page_with()), ("undecided", "document_alone", {"page": None, "pages": None, "codes": 0})),
        (pdf[:2000], ("undecided", "broken_document", None)),
    ):
        found = office.client.post("/api/v1/verifications", files={"file": ("a.pdf", data)}).json()
        assert (found["state"], found["reason"], found["source"]) == told


def test_a_private_key_is_no_certificate_to_trust_and_is_not_kept(office: Office) -> None:
    asked = {"kind": "issuer", "profile": "eu-dcc", "name": "示例", "reason": "协议 1 号"}
    path, both = "/api/v1/trust/certificates", SECRETS["with its certificate"].decode()
    before = office.send("GET", path, "administrator").json()
    for text, reason_told in ((both, "private_key"), (SM2_CERTIFICATE, "unknown_suite")):
        answer = office.send("POST", path, "administrator", json=asked | {"certificate": text})
        assert answer.status_code == 422, answer.text
        assert [fault["reason"] for fault in answer.json()["errors"]] == [reason_told]
    assert office.send("GET", path, "administrator").json() == before
