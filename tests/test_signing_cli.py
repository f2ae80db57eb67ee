"""The department's side: what it refuses to sign, the plain install, and the way out where nobody can approve."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from api_office import ISSUER, USER, OpenOffice, open_office, settings_in
from test_cli import PLAIN
from world import DEPARTMENT, FOOD, NOON, OTHER_DEPARTMENT

from api.cli.main import main
from api.composition import compose
from registry.accounts import service as accounts
from registry.proposals import service as proposals
from registry.work import REGISTRY
from verifier import cose
from verifier.commitment import seal
from verifier.entry import Entry, Kind
from verifier.errors import VerificationError
from verifier.signing_request import Request, examine
from verifier.suites import SoftwareKey

KEY = SoftwareKey.generate()
FACE = {"issuing_authority_code": DEPARTMENT, "certificate_type_code": FOOD, "certificate_number": "1"}


def asked(face: dict[str, str] = FACE, **changes: object) -> Request:
    """An entry that is in order, as it would be handed out."""
    sealed = seal(face, os.urandom)
    entry = Entry(Kind.CERTIFICATE, os.urandom(16), DEPARTMENT, NOON, sealed.digest, {"type": FOOD})
    payload = replace(entry, **changes).to_bytes()  # type: ignore[arg-type]
    signed = cose.to_be_signed(cose.protected_header(KEY.public, cose.Type.ENTRY), payload)
    return Request(payload, signed, (sealed.canonical, sealed.salts))


def test_what_is_in_order_is_signed_and_says_what_it_is() -> None:
    assert examine(asked(), KEY.public, DEPARTMENT, NOON).fields["certificate_number"] == "1"


@pytest.mark.parametrize(
    ("reason", "request_"),
    [
        ("other_department", asked(department=OTHER_DEPARTMENT)),
        ("clocks_differ", asked(recorded_at=NOON - timedelta(minutes=11))),
        ("other_bytes", replace(asked(), to_be_signed=asked().to_be_signed)),
        ("digest_differs", replace(asked(), content=asked().content)),
        ("content_missing", replace(asked(), content=None)),
        ("face_differs", asked({**FACE, "issuing_authority_code": OTHER_DEPARTMENT})),
        ("face_differs", asked({**FACE, "certificate_type_code": "1"})),
    ],
)
def test_what_is_not_is_refused_by_name(reason: str, request_: Request) -> None:
    with pytest.raises(VerificationError) as refused:
        examine(request_, KEY.public, DEPARTMENT, NOON)
    assert refused.value.reason == reason


def test_a_plain_install_makes_a_key_and_tries_to_sign(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "SUIZHENG_TOKEN": "szt_example"}
        return subprocess.run(
            [sys.executable, "-c", PLAIN, *arguments], env=environment, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip

    key = str(tmp_path / "key.pem")
    made = run("department-key", "new", "--suite", "ES256", "--out", key)
    assert made.returncode == 0 and made.stdout.startswith("ES256:")
    # Nobody listens there: it gets as far as the network.
    tried = run("sign-entries", "--key", key, "--department", DEPARTMENT, "--server", "http://127.0.0.1:9")
    assert (tried.returncode, "连接不上" in tried.stderr) == (64, True), tried.stderr
    refused = run("sign-entries", "--key", key, "--department", DEPARTMENT, "--server", "http://example.test")
    assert "https" in refused.stderr


def test_a_department_asks_for_its_own_key_alone_and_waits(tmp_path: Path) -> None:
    with open_office(settings_in(tmp_path)) as office:
        key = SoftwareKey.generate()
        wanted = {"suite": "ED25519", "public": key.public.raw.hex()}
        challenges = f"/api/v1/departments/{USER}/keys/challenges"
        other = office.send("POST", challenges, "registrar", ISSUER, json=wanted)
        assert (other.status_code, other.json()["reason"]) == (403, "other_department")
        assert office.send("POST", challenges, "window", USER, json=wanted).status_code == 403
        assert office.send("POST", challenges, "registrar", USER, json=wanted).status_code == 201
        refused = office.send("POST", "/api/v1/signatures/prepare", "registrar", USER, json={})
        assert (refused.status_code, refused.json()["reason"]) == (403, "signed_by_service")
        assert office.send("GET", "/api/v1/proposals", "registrar", USER).json()["items"] == []
        check_alone_is_recorded(office)


def check_alone_is_recorded(office: OpenOffice) -> None:
    """What the one administrator did to set the office up stands in the record, without secrets."""
    answer = office.send("GET", "/api/v1/proposals")
    listed = answer.json()
    assert listed["binding_since"] is None and {one["state"] for one in listed["items"]} == {"alone"}
    assert "szt_" not in answer.text and "Sz1-" not in answer.text


def test_on_the_server_itself_an_administrator_is_added_and_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(tmp_path)
    with open_office(settings):
        pass
    monkeypatch.setenv("SUIZHENG_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("SUIZHENG_CHAIN", "none")
    words = ["administrator", "rescue", "--name", "示例", "--data", str(tmp_path), "--reason"]
    assert main([*words, " "]) == 64
    assert main([*words, "唯一的另一名管理员离职"]) == 0
    assert "一次性口令：Sz1-" in capsys.readouterr().out
    # Whoever lost the password gets another one; of a clerk's account no administrator is made.
    assert main(["administrator", "rescue", "--data", str(tmp_path), "--reason", "口令遗失"]) == 0
    assert "已重置口令：管理员 rescue，一次性口令：Sz1-" in capsys.readouterr().out
    assert main(["administrator", "nobody", "--data", str(tmp_path), "--reason", "没有姓名"]) == 64
    services = compose(settings)
    with services.registry.begin(REGISTRY) as work:
        accounts.create_staff(work, "clerk", "示例", ["auditor"], None)
    assert main(["administrator", "clerk", "--name", "示例", "--data", str(tmp_path), "--reason", "提升"]) == 64
    with services.registry.read(REGISTRY) as work:
        rows = [(row.proposed_by, row.reason) for row in proposals.list_all(work)]
    services.close()
    assert [row for row in rows if row[0] == "registry"] == [
        ("registry", "口令遗失"),
        ("registry", "唯一的另一名管理员离职"),
    ]
