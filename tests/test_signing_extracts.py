"""Extracts of a department that signs itself: they wait, it looks at them and signs, and they are like any other."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from api_office import ISSUER, LICENCE, USER, OpenOffice, licence, open_office, reason, settings_in
from conftest import make_postgres_database

from api.cli.department_client import DepartmentClient
from api.cli.signing_entries import Signer
from api.cli.signing_extracts import ExtractSigner
from registry.accounts import tokens
from registry.extracts import detached
from registry.keys import own
from registry.work import REGISTRY, Actor
from verifier.errors import VerificationError
from verifier.extract import open_extract
from verifier.extract_verdict import verify_extract
from verifier.signing_request import ExtractRequest, examine_extract
from verifier.suites import SoftwareKey, Suite
from verifier.trust import TrustBundle

MATTER, PURPOSE = "CN-DETACHED-01", "办理户外招牌设置"
FIELDS = ["holders.holder_name", "certificate_number", "extend_info.address"]
PREPARE, COMMIT = "/api/v1/signatures/extracts/prepare", "/api/v1/signatures/extracts/commit"


class OfficeClient(DepartmentClient):
    """The department's system, which reaches the application without a socket."""

    def __init__(self, office: OpenOffice) -> None:
        super().__init__("office", "-")
        self.office = office

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.office.send("POST", f"/api/v1{path}", "registrar", USER, json=body)
        assert answer.status_code < 300, answer.text
        told: dict[str, Any] = answer.json()
        return told


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def office(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    more: dict[str, Any] = {}
    if request.param == "postgresql":
        more = {"database_url": make_postgres_database(request.getfixturevalue("postgres_server"))}
    with open_office(settings_in(tmp_path_factory.mktemp("detached"), **more)) as office:
        scope = {"type_code": LICENCE, "action": "issue", "valid_from_on": "2020-01-01"}
        assert office.send("POST", f"/api/v1/departments/{USER}/scopes", json=scope).status_code == 201
        slots = [{"code": "CL01", "name": "主体资格证明", "accepts": [LICENCE], "fields": FIELDS}]
        matter = {"code": MATTER, "name": "户外招牌设置", "department": ISSUER, "purpose": PURPOSE, "slots": slots}
        assert office.send("POST", "/api/v1/matters", json=matter).status_code == 201
        with office.services.registry.begin(REGISTRY) as work:
            ends_at = work.at + timedelta(days=1)
            office.tokens["registrar", USER] = tokens.create(work, "own", USER, ["registrar"], ends_at).secret
        yield office
        KEYS.pop(id(office), None)


def hold(office: OpenOffice, key: SoftwareKey) -> SoftwareKey:
    """Make this the department's own key, and wait until it is in force."""
    registry, who = office.services.registry, Actor("token:own", "system", USER, frozenset(("registrar",)))
    with registry.begin(who) as work:
        asked = own.ask_for_proof(work, USER, key.public.suite.name, key.public.raw.hex(), None, None)
    with registry.begin(who) as work:
        own.prove(work, USER, asked.row.id, key.sign(asked.to_be_signed))
    with registry.begin(REGISTRY) as work:
        own.install(work, asked.row.id)
    while True:
        with registry.read(REGISTRY) as work:
            if detached.signs_itself(work, USER) and detached.own_key(work, USER) == key.public:
                return key
        time.sleep(0.05)


def certificate(office: OpenOffice, number: int) -> dict[str, Any]:
    answer = office.send("POST", "/api/v1/certificates", "registrar", USER, json=licence(number))
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


def asked(office: OpenOffice, made: dict[str, Any]) -> Any:
    """What is answered to an extract for a use of the operator's."""
    grant = {
        "route": "function", "grantee": ISSUER, "matter_code": MATTER, "purpose": PURPOSE, "type_code": LICENCE,
        "valid_from_at": datetime.now(UTC).isoformat(), "max_uses": 1,
        "valid_to_at": (datetime.now(UTC) + timedelta(days=9)).isoformat(),
    }  # fmt: skip
    authorisation = office.send("POST", "/api/v1/authorisations", "registrar", USER, json=grant)
    assert authorisation.status_code == 201, authorisation.text
    use = {
        "item_kind": "certificate", "item_id": made["id"], "matter_code": MATTER, "case_no": "2026-000009",
        "purpose": PURPOSE, "authorisation_id": authorisation.json()["id"], "device": "desk-1", "operator": "staff:1",
    }  # fmt: skip
    sign(office)
    used = office.send("POST", "/api/v1/uses", "window", ISSUER, json=use)
    assert used.status_code == 201, used.text
    body = {"use_id": used.json()["id"], "expires_at": (datetime.now(UTC) + timedelta(days=30)).isoformat()}
    return office.send("POST", f"{made['status_url']}/extracts", "window", ISSUER, json=body)


KEYS: dict[int, SoftwareKey] = {}


def key_of(office: OpenOffice) -> SoftwareKey:
    """The department's own key; it holds one from then on."""
    return KEYS.get(id(office)) or KEYS.setdefault(id(office), hold(office, SoftwareKey.generate(Suite.ES256)))


def sign(office: OpenOffice) -> None:
    """Sign the entries that wait, as the command does."""
    key = KEYS.get(id(office))
    if key is not None:
        tally = Signer(OfficeClient(office), key, USER, None, 500).run()
        assert tally.refused == {}
    office.settle()


def trust_of(office: OpenOffice) -> TrustBundle:
    return TrustBundle.open(office.client.get("/api/v1/trust").content)


def state_of(office: OpenOffice, made: dict[str, Any]) -> list[str]:
    listed = office.send("GET", f"{made['status_url']}/extracts", "window", ISSUER).json()["items"]
    return [one["state"] for one in listed]


def test_an_extract_waits_until_its_issuer_has_looked_at_it_and_signed(office: OpenOffice) -> None:
    early = certificate(office, 1)
    office.settle()
    key = KEYS[id(office)] = hold(office, SoftwareKey.generate(Suite.ES256))
    late = certificate(office, 2)
    sign(office)
    answers = [asked(office, made) for made in (early, late)]
    assert [one.status_code for one in answers] == [201, 201], [one.text for one in answers]
    of_early, of_late = (one.json() for one in answers)
    assert of_late["state"] == "awaiting_signature" and of_late["fields"] == FIELDS
    refused = office.send("GET", of_late["file_url"], "window", ISSUER)
    assert reason(refused, 409) == "awaiting_signature"
    # Without a trust bundle the department vouches only for what this key of its own has signed.
    client = OfficeClient(office)
    count, left = ExtractSigner(client, key, USER, None).run()
    assert (count, list(left)) == (1, [of_early["id"]]) and "--trust" in left[of_early["id"]]
    assert (state_of(office, late), state_of(office, early)) == (["valid"], ["awaiting_signature"])
    assert ExtractSigner(client, key, USER, trust_of(office)).run() == (1, {})
    assert ExtractSigner(client, key, USER, trust_of(office)).run() == (0, {})
    office.settle()
    for extract in (of_early, of_late):
        text = office.send("GET", extract["file_url"], "window", ISSUER).content
        verdict = verify_extract(text, trust_of(office), datetime.now(UTC), receiver=ISSUER)
        assert (verdict.state, verdict.reason) == ("valid", "ok")
        opened = open_extract(text, trust_of(office).content.origin)
        assert opened.claims["iss"] == USER and opened.sd_jwt.jwt.kid == key.public.kid


def test_what_is_not_signed_rightly_stays_a_draft_and_repeating_changes_nothing(office: OpenOffice) -> None:
    key, made = key_of(office), certificate(office, 3)
    sign(office)
    extract = asked(office, made).json()

    def handed_out() -> dict[str, Any]:
        prepared: dict[str, Any] = office.send("POST", PREPARE, "registrar", USER, json={}).json()
        return prepared

    def handed_in(prepared: dict[str, Any], signature: bytes, role: str = "registrar") -> str:
        one = {"extract_id": extract["id"], "signature": base64.b64encode(signature).decode()}
        answer = office.send("POST", COMMIT, role, USER, json={"id": prepared["id"], "signatures": [one]})
        outcome = answer.json()["items"][0] if answer.status_code == 200 else answer.json()["reason"]
        return str(outcome["outcome"] if isinstance(outcome, dict) else outcome)

    prepared = handed_out()
    (one,) = prepared["extracts"]
    right = key.sign(one["to_be_signed"].encode())
    assert (
        handed_in(prepared, SoftwareKey.generate(Suite.ES256).sign(one["to_be_signed"].encode())) == "wrong_signature"
    )
    assert (
        handed_in(prepared, bytes(64)) == "wrong_signature" and handed_in(prepared, b"\xff" * 64) == "wrong_signature"
    )
    assert handed_in({"id": "0" * 26}, right) == "preparation_unknown"
    assert state_of(office, made) == ["awaiting_signature"]
    assert handed_in(prepared, right) == "signed"
    assert handed_in(prepared, right) == "signed"
    assert handed_in(prepared, key.sign(b"other")) == "signed_before"
    assert state_of(office, made) == ["valid"] and handed_out()["extracts"] == []
    unknown = {"extract_id": "0" * 26, "signature": base64.b64encode(right).decode()}
    answer = office.send("POST", COMMIT, "registrar", USER, json={"id": prepared["id"], "signatures": [unknown]})
    assert answer.json()["items"][0]["outcome"] == "unknown"
    # Another department sees none of it.
    assert office.send("POST", PREPARE, "registrar", ISSUER, json={}).status_code == 403


def test_a_draft_whose_use_falls_becomes_no_extract(office: OpenOffice) -> None:
    key, made = key_of(office), certificate(office, 4)
    sign(office)
    extract = asked(office, made).json()
    prepared = office.send("POST", PREPARE, "registrar", USER, json={}).json()
    body = {"operation": "revoke", "reason": "经核实予以撤销", "document": "沪长〔2026〕1号"}
    assert office.send("POST", f"{made['status_url']}/status", "registrar", USER, json=body).status_code == 200
    (one,) = prepared["extracts"]
    signature = base64.b64encode(key.sign(one["to_be_signed"].encode())).decode()
    signed = {"id": prepared["id"], "signatures": [{"extract_id": extract["id"], "signature": signature}]}
    assert office.send("POST", COMMIT, "registrar", USER, json=signed).json()["items"][0]["outcome"] == "refused"
    again = office.send("POST", PREPARE, "registrar", USER, json={}).json()
    assert (again["extracts"], again["held_back"]) == ([], [extract["id"]])
    assert state_of(office, made) == ["revoked"]


def test_the_department_signs_no_extract_that_is_not_its_own_or_tells_something_else(office: OpenOffice) -> None:
    key, made = key_of(office), certificate(office, 5)
    sign(office)
    assert asked(office, made).status_code == 201
    prepared = office.send("POST", PREPARE, "registrar", USER, json={}).json()
    (one,) = prepared["extracts"]
    request = ExtractRequest(
        one["to_be_signed"].encode(), tuple(one["disclosures"]), *(base64.b64decode(one[n]) for n in ("face", "salts"))
    )
    now = datetime.now(UTC)

    def looked_at(wanted: ExtractRequest = request, *, department: str = USER, ours: bool = True, **named: Any) -> str:
        try:
            at, by = named.get("at", now), named.get("key", key)
            examine_extract(wanted, by.public, department, at, lambda message, entry: ours)
        except VerificationError as error:
            return error.reason
        return "ok"

    assert looked_at() == "ok"
    assert looked_at(department=ISSUER) == "other_department"
    assert looked_at(key=SoftwareKey.generate(Suite.ES256)) == "other_key"
    assert looked_at(at=now + timedelta(minutes=11)) == "clocks_differ"
    assert looked_at(ours=False) == "entry_not_ours"
    assert (
        looked_at(replace(request, face=request.face.replace("示例路".encode(), "示例街".encode()))) == "digest_differs"
    )
    assert looked_at(replace(request, disclosures=request.disclosures[:1])) == "ok"
    assert looked_at(replace(request, disclosures=(*request.disclosures, "e30"))) == "wrong_disclosure"
    assert looked_at(replace(request, to_be_signed=b"x.y")) != "ok"
    assert ExtractSigner(OfficeClient(office), key, USER, None).run() == (1, {})


def test_an_sm2_key_signs_no_extract_and_says_so(office: OpenOffice) -> None:
    made = certificate(office, 6)
    sign(office)
    KEYS[id(office)] = hold(office, SoftwareKey.generate(Suite.SM2))
    assert reason(asked(office, made), 409) == "suite_without_jose"
