"""Delegations over HTTP: from the device's key to a use at a window, and to the refusal after a revocation."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from api_office import COMPANY, ISSUER, LICENCE, PERSON, USER, OpenOffice, open_office, reason, register, settings_in

from api.cli.main import main
from codes import payload
from verifier.device_request import sign_request
from verifier.suites import SoftwareKey, Suite

MATTER = {
    "code": "CN-0001", "name": "食品经营许可延续", "department": USER, "purpose": "办理食品经营许可延续",
    "slots": [{"code": "CL01", "name": "主体资格证明", "accepts": [LICENCE], "required": True}],
}  # fmt: skip


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("office"))) as office:
        assert office.send("POST", "/api/v1/matters", json=MATTER).status_code == 201
        code = {"kind": "enterprise", "code": COMPANY, "name": "上海长宁示例商贸有限公司"}
        assert office.send("POST", "/api/v1/codes", "window", USER, json=code).status_code == 201
        yield office


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    return capsys.readouterr().out.strip().splitlines()[-1]


def grant(office: OpenOffice, key: str, **more: Any) -> dict[str, Any]:
    suite, public = key.split(":")
    body = {
        "enterprise": COMPANY, "role": "manager", "name": "张三丰", "holder_code": PERSON, "suite": suite,
        "public": public, "valid_to_at": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
        "document": "委托书 2026-001", **more,
    }  # fmt: skip
    answer = office.send("POST", "/api/v1/delegations", "window", USER, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def use(office: OpenOffice, item_id: str, code: str, case_no: str = "2026-1") -> Any:
    body = {
        "item_id": item_id, "matter_code": "CN-0001", "case_no": case_no, "purpose": MATTER["purpose"],
        "delegated_code": code, "operator": "staff:1", "device": "window-3",
    }  # fmt: skip
    return office.send("POST", "/api/v1/uses", "window", USER, json=body)


def test_a_handlers_device_shows_a_code_that_verifies_and_is_the_authorisation_until_it_is_revoked(
    office: OpenOffice, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    item = register(office, 1)["id"]
    manager_key, handler_key = tmp_path / "manager.pem", tmp_path / "handler.pem"
    manager = grant(office, run(capsys, "delegation", "key", "--out", str(manager_key)))
    public = run(capsys, "delegation", "key", "--suite", "ES256", "--out", str(handler_key))
    handler = grant(
        office, public, role="handler", name="李四", parent_id=manager["id"], document=None, matters=["CN-0001"],
        types=[LICENCE], valid_to_at=(datetime.now(UTC) + timedelta(days=9)).isoformat(),
    )  # fmt: skip
    assert (manager["state"], handler["state"], handler["name"]) == ("live", "awaiting", "李*")
    signature = run(capsys, "delegation", "sign", handler["to_be_signed"], "--key", str(manager_key))
    path = f"/api/v1/delegations/{handler['id']}"
    assert office.send("POST", f"{path}/signature", "window", USER, json={"signature": signature}).status_code == 200
    chain = tmp_path / "chain.json"
    chain.write_bytes(office.send("GET", f"{path}/chain", "window", USER).content)
    code = run(capsys, "delegation", "show", "--chain", str(chain), "--key", str(handler_key))
    public = office.client.post("/api/v1/verifications", json={"text": code}).json()
    assert public["state"] == "valid" and "chain" not in public["subject"]
    asked = {"text": code, "purpose": "受理食品经营许可延续"}
    shown = office.send("POST", "/api/v1/verifications", "window", USER, json=asked).json()
    assert "→ 证照管理员 → 经办人，限 食品经营许可延续，限 营业执照" in shown["subject"]["chain"]
    # The code says no name, not even a masked one: the registry tells the window that stated a purpose.
    assert [link["name"] for link in shown["subject"]["delegation"]] == ["张*丰", "李*"]
    assert not any(part.encode() in payload.decode(code) for part in ("张", "李"))
    trust = tmp_path / "trust.json"
    trust.write_bytes(office.client.get("/api/v1/trust").content)
    assert "有限公司 → 证照管理员 → 经办人" in _said(capsys, "verify", code, "--trust", str(trust))
    made = use(office, item, code)
    assert made.status_code == 201, made.text
    assert reason(use(office, item, code, "2026-2"), 409) == "delegation_code_reused"
    cascade = office.send("GET", f"/api/v1/delegations/{manager['id']}/cascade", "window", USER).json()["items"]
    assert [one["id"] for one in cascade] == [manager["id"], handler["id"]]
    refused = office.send(
        "POST", f"/api/v1/delegations/{manager['id']}/revoke", "window", ISSUER, json={"reason": "离职"}
    )
    assert reason(refused, 403) == "not_the_grantor"
    ended = office.send("POST", f"/api/v1/delegations/{manager['id']}/revoke", "window", USER, json={"reason": "离职"})
    assert [one["state"] for one in ended.json()["items"]] == ["revoked", "revoked"]
    fresh = run(capsys, "delegation", "show", "--chain", str(chain), "--key", str(handler_key))
    after = office.client.post("/api/v1/verifications", json={"text": fresh}).json()
    assert (after["state"], after["reason"]) == ("not_in_force", "delegation_revoked")
    assert use(office, item, fresh).json()["errors"][0]["reason"] == "delegation_revoked"
    listed = office.send("POST", "/api/v1/delegations/search", "auditor", USER, json={"enterprise": COMPANY}).json()[
        "items"
    ]
    assert [one["revoked_with"] for one in listed] == [manager["id"], manager["id"]]


def _said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def test_a_use_names_an_authorisation_or_a_code_and_not_both(office: OpenOffice) -> None:
    item = register(office, 2)["id"]
    answer = use(office, item, "SZ1:ABC")
    assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "delegated_code"
    body = orjson.loads(answer.request.content)
    del body["delegated_code"]
    refused = office.send("POST", "/api/v1/uses", "window", USER, json=body)
    assert refused.json()["errors"][0]["reason"] == "authorisation_or_code"


def test_a_device_signs_nothing_but_delegations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "device.pem"
    run(capsys, "delegation", "key", "--out", str(key))
    for asked in ("00ff", "zz", "846a5369676e617475726531404040"):
        assert main(["delegation", "sign", asked, "--key", str(key)]) == 64
    assert main(["delegation", "key", "--out", str(key)]) == 64


def ask(office: OpenOffice, phone: SoftwareKey, action: str, *arguments: str | bytes, path: str = "") -> Any:
    """What a delegate's phone asks, signed by its key."""
    request = sign_request(action, (phone.public.raw, *arguments), phone, datetime.now(UTC))
    body = {"request": base64.b64encode(request).decode()}
    return office.client.post(f"/api/v1/devices/delegations{path}", json=body)


def named(phone: SoftwareKey) -> str:
    return f"{phone.public.suite.name}:{phone.public.raw.hex()}"


def test_a_phone_gets_its_own_delegations_by_its_key_and_signs_only_what_hangs_on_them(office: OpenOffice) -> None:
    manager, handler, stranger = (SoftwareKey.generate(Suite.ES256) for _ in range(3))
    first = grant(office, named(manager))
    second = grant(office, named(handler), role="handler", name="李四", parent_id=first["id"], document=None)
    got = ask(office, manager, "delegations").json()
    assert [(one["id"], one["state"]) for one in got["items"]] == [(first["id"], "live")]
    assert [(one["id"], one["to_be_signed"]) for one in got["to_sign"]] == [(second["id"], second["to_be_signed"])]
    waiting = ask(office, handler, "delegations").json()["items"]
    assert [(one["state"], one["chain"]) for one in waiting] == [("awaiting", None)]
    assert ask(office, stranger, "delegations").json() == {"items": [], "to_sign": []}
    asked = bytes.fromhex(second["to_be_signed"])
    good, bad = manager.sign(asked), stranger.sign(asked)
    sign = lambda phone, signature: ask(  # noqa: E731
        office, phone, "sign-delegation", second["id"], signature, path="/signature"
    )
    assert reason(sign(stranger, bad), 404) == reason(sign(handler, good), 404) == "delegation_unknown"
    assert reason(sign(manager, bad), 422) == "invalid_draft"
    assert sign(manager, good).json()["to_sign"] == []
    assert sign(manager, good).status_code == 200
    held = ask(office, handler, "delegations").json()["items"][0]
    assert held["state"] == "live" and len(held["chain"]["links"]) == 2
    assert "张*丰 证照管理员 → 李* 经办人" in held["words"] and PERSON not in str(held)
    ending = {"reason": "离职"}
    path = f"/api/v1/delegations/{first['id']}/revoke"
    assert office.send("POST", path, "window", USER, json=ending).status_code == 200
    ended = ask(office, handler, "delegations").json()["items"][0]
    assert (ended["state"], ended["reason"], ended["chain"]) == ("revoked", "离职", None)


def test_a_request_for_delegations_is_good_for_its_key_its_action_and_its_time(office: OpenOffice) -> None:
    phone, other = (SoftwareKey.generate(Suite.ES256) for _ in range(2))
    now = datetime.now(UTC)

    def send(data: bytes) -> Any:
        return office.client.post("/api/v1/devices/delegations", json={"request": base64.b64encode(data).decode()})

    assert send(sign_request("delegations", (phone.public.raw,), phone, now)).status_code == 200
    for data in (
        sign_request("delegations", (other.public.raw,), phone, now),
        sign_request("renew", (phone.public.raw,), phone, now),
        sign_request("delegations", (phone.public.raw,), phone, now - timedelta(minutes=3)),
        sign_request("delegations", (), phone, now),
        sign_request("delegations", (b"short",), phone, now),
        b"",
    ):
        answer = send(data)
        assert answer.status_code in (400, 422) and answer.json()["reason"], answer.text
