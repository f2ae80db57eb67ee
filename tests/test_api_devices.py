"""A phone over HTTP: from the window's ticket to the verdict on what the phone shows, online and offline."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from api_office import ISSUER, PERSON, USER, OpenOffice, key, open_office, reason, settings_in
from httpx import Response

from verifier import State, TrustBundle, verify
from verifier.code import show_code
from verifier.device_request import sign_request
from verifier.suites import SoftwareKey, Suite

HOLDER = {"holder_code": PERSON, "holder_code_type_code": "111"}
RULE = {"hours": [], "admit": {"types": [], "pass": True}, "anti_passback_seconds": 0, "dynamic_only": True}


@dataclass
class Stage:
    office: OpenOffice
    venue: str

    def ticket(self) -> dict[str, Any]:
        body = {**HOLDER, "venues": [self.venue]}
        answer = self.office.send("POST", "/api/v1/enrolments", "window", json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def ask(self, path: str, action: str, arguments: tuple[str | bytes, ...], phone: SoftwareKey) -> Response:
        request = base64.b64encode(sign_request(action, arguments, phone, datetime.now(UTC))).decode()
        return self.office.client.post(path, json={"request": request})

    def enrol(self, phone: SoftwareKey, made: dict[str, Any] | None = None) -> Response:
        made = made or self.ticket()
        return self.ask("/api/v1/devices", "enrol", (made["secret"], made["pin"], phone.public.raw), phone)

    def trust(self) -> TrustBundle:
        return TrustBundle.open(self.office.client.get("/api/v1/trust").content)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with open_office(settings_in(tmp_path_factory.mktemp("office"))) as office:
        venue = {"name": "随证体育馆", "address": "示例路 1 号", "responsible": USER, "rule": RULE}
        venue_id = office.send("POST", "/api/v1/venues", "venue", json=venue).json()["id"]
        until = {**HOLDER, "valid_to_at": "2099-01-01T00:00:00Z"}
        assert office.send("POST", f"/api/v1/venues/{venue_id}/passes", "venue", json=until).status_code == 201
        yield Stage(office, venue_id)


def judged(stage: Stage, text: str) -> tuple[str, str]:
    """Online and offline say the same."""
    online = stage.office.client.post("/api/v1/verifications", json={"text": text})
    verdict = verify(text.encode(), stage.trust(), datetime.now(UTC))
    assert (online.json()["state"], online.json()["reason"]) == (verdict.state, verdict.reason)
    return verdict.state, verdict.reason


def test_from_the_ticket_to_a_lost_phone(stage: Stage) -> None:
    phone, thief = SoftwareKey.generate(Suite.ES256), SoftwareKey.generate(Suite.ES256)
    answer = stage.enrol(phone)
    assert answer.status_code == 201, answer.text
    wallet = answer.json()
    assert [(grant["kind"], grant["name"]) for grant in wallet["grants"]] == [("pass", "随证体育馆")]
    now = datetime.now(UTC)
    assert judged(stage, show_code(wallet["text"], phone, now)) == (State.VALID, "ok")
    assert judged(stage, wallet["text"]) == (State.INVALID, "proof_missing")
    assert judged(stage, show_code(wallet["text"], thief, now)) == (State.INVALID, "wrong_proof")
    renewed = stage.ask("/api/v1/devices/code", "renew", (wallet["device_id"],), phone)
    assert renewed.json()["text"] == wallet["text"]
    seen = stage.ask("/api/v1/devices/uses", "uses", (wallet["device_id"],), phone)
    assert seen.json() == {"uses": [], "visits": [], "scans": []}
    path = f"/api/v1/devices/{wallet['device_id']}/end"
    ended = stage.office.send("POST", path, "window", USER, json={"reason": "lost"})
    assert ended.json()["ended_by_reason"] == "lost"
    assert judged(stage, show_code(wallet["text"], phone, now)) == (State.NOT_IN_FORCE, "status_lost")
    assert reason(stage.ask("/api/v1/devices/code", "renew", (wallet["device_id"],), phone), 409) == "device_lost"
    fresh = stage.enrol(thief).json()
    assert judged(stage, show_code(fresh["text"], thief, datetime.now(UTC))) == (State.VALID, "ok")


def test_a_ticket_is_shown_once_and_its_link_keeps_it_out_of_every_request(stage: Stage) -> None:
    headers = key()
    body = {**HOLDER, "venues": [stage.venue]}
    first = stage.office.send("POST", "/api/v1/enrolments", "window", json=body, headers=headers).json()
    again = stage.office.send("POST", "/api/v1/enrolments", "window", json=body, headers=headers).json()
    assert (again["id"], again["secret"], again["pin"], again["url"]) == (first["id"], None, None, None)
    assert first["url"].endswith(f"/wallet#{first['secret']}")


def test_a_wrong_pin_is_refused_and_remembered(stage: Stage) -> None:
    made, phone = stage.ticket(), SoftwareKey.generate()
    wrong = {**made, "pin": "000000" if made["pin"] != "000000" else "111111"}
    for _ in range(5):
        assert reason(stage.enrol(phone, wrong), 401) == "wrong_pin"
    assert reason(stage.enrol(phone, made), 401) == "ticket_locked"


def test_requests_that_no_phone_signed_are_refused(stage: Stage) -> None:
    phone = SoftwareKey.generate()
    wallet = stage.enrol(phone).json()
    for path in ("/api/v1/devices", "/api/v1/devices/code", "/api/v1/devices/uses"):
        for request in ("", "no base64!", "AAAA", base64.b64encode(b"\xd2\x84").decode()):
            assert stage.office.client.post(path, json={"request": request}).status_code == 400
    other = SoftwareKey.generate()
    for path, action in (("/api/v1/devices/code", "renew"), ("/api/v1/devices/uses", "uses")):
        assert stage.ask(path, action, (wallet["device_id"],), other).status_code in (400, 422)
        assert reason(stage.ask(path, action, ("0" * 26,), phone), 404) == "device_unknown"


def test_the_window_finds_a_persons_phones_without_a_number_in_the_address(stage: Stage) -> None:
    stage.enrol(SoftwareKey.generate())
    found = stage.office.send("POST", "/api/v1/devices/search", "window", ISSUER, json=HOLDER).json()["items"]
    assert [row["ended_at"] is None for row in found] == [True] + [False] * (len(found) - 1)
    assert PERSON not in str(found)
    assert reason(stage.office.send("POST", "/api/v1/devices/search", "venue", ISSUER, json=HOLDER), 403)
