"""Keys over HTTP and at the command line: history with counts, rotation once under one Idempotency-Key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_office import COMPANY, OpenOffice, key, open_office, reason, settings_in
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.cli.main import main
from api.settings import Settings, SettingsError
from registry.database import open_engine
from registry.proposals.tables import Proposal
from verifier.suites import Suite


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("office"))) as office:
        yield office


def items(office: OpenOffice, purpose: str) -> list[dict[str, object]]:
    every = office.send("GET", "/api/v1/keys").json()["items"]
    return [one for one in every if one["purpose"] == purpose]


def test_codes_are_counted_and_a_rotation_is_published_before_it_signs(office: OpenOffice) -> None:
    before = items(office, "codes")[0]["uses"]
    code = {"kind": "enterprise", "code": COMPANY, "name": "上海长宁示例商贸有限公司"}
    assert office.send("POST", "/api/v1/codes", "window", json=code).status_code == 201
    (old,) = items(office, "codes")
    assert old["uses"] == int(str(before)) + 1 and old["due"] == "fresh" and "PRIVATE" not in str(old)
    once = {"headers": key()}
    body = {"purpose": "codes", "lead_hours": 24, "suite": "ES256"}
    made = office.send("POST", "/api/v1/keys/rotate", json=body, **once)
    again = office.send("POST", "/api/v1/keys/rotate", json=body, **once)
    assert (made.status_code, made.json()) == (201, again.json())
    assert (made.json()["suite"], made.json()["due"]) == ("ES256", "waiting")
    trusted = office.client.get("/api/v1/trust").json()["signed"]["keys"]
    assert made.json()["public"] in {one["public"] for one in trusted}
    assert office.client.post("/api/v1/verifications", json={"text": "SZ1:ABC"}).status_code == 200
    pending = office.send("POST", "/api/v1/keys/rotate", json=body)
    assert reason(pending, 409) == "rotation_pending"


@pytest.mark.parametrize(
    ("wrong", "field", "told"),
    [
        ({"purpose": "log", "suite": "SM2"}, "suite", "Ed25519"),
        ({"purpose": "nobody"}, "purpose", "log、codes、status、trust-root"),
        ({"purpose": "department:11310105MB9T99999X"}, "purpose", "department:<部门代码>"),
    ],
)
def test_a_rotation_that_cannot_be_is_refused_by_its_field(
    office: OpenOffice, wrong: dict[str, str], field: str, told: str
) -> None:
    answer = office.send("POST", "/api/v1/keys/rotate", json=wrong)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert error["field"] == field and told in error["message"]


def test_the_command_line_lists_shows_and_rotates_for_a_reason_that_is_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_office(settings_in(tmp_path)):
        pass
    monkeypatch.setenv("SUIZHENG_CHAIN", "none")
    data = ("--data", str(tmp_path))
    rotate = ["keys", "rotate", "status", "--lead-hours", "0", *data]
    with pytest.raises(SystemExit, match="64"):
        main(rotate)
    assert main([*rotate, "--reason", " "]) == 64
    assert main([*rotate, "--reason", "示例：值班员更换"]) == 0
    # Nothing is recorded of what did not happen.
    assert main(["keys", "rotate", "nobody", *data, "--reason", "示例"]) == 64
    assert main(["keys", "show", "status", *data]) == 0
    assert capsys.readouterr().out.count("公钥") == 2
    assert main(["keys", "list", "--json", *data]) == 0
    assert main(["keys", "show", "nobody", *data]) == 64
    assert main(["keys", "list", "--data", str(tmp_path / "elsewhere")]) == 64
    engine = open_engine(settings_in(tmp_path).database_url)
    with Session(engine) as session:
        (row,) = session.scalars(select(Proposal).where(Proposal.action == "key.rotate"))
    assert (row.state, row.proposed_by, row.reason) == ("alone", "registry", "示例：值班员更换")
    engine.dispose()


@pytest.mark.parametrize(
    "wrong",
    [
        {"SUIZHENG_KEY_SUITES": "codes=RSA"},
        {"SUIZHENG_KEY_SUITES": "log=SM2"},
        {"SUIZHENG_KEY_SUITES": "nobody=SM2"},
        {"SUIZHENG_PKCS11": "/module.so"},
        {"SUIZHENG_PKCS11": "/module.so;label"},
    ],
)
def test_settings_of_keys_that_cannot_be_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        Settings.from_environment(wrong)
    good = Settings.from_environment({"SUIZHENG_KEY_SUITES": "codes=ES256, department=sm2"})
    assert good.key_suites == {"codes": Suite.ES256, "department": Suite.SM2}
