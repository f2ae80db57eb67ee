"""What a code opens depends on who scans: every cell of the table, and the holder's record of who looked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from api_office import COMPANY, ISSUER, PERSON, USER, OpenOffice, open_office, reason, settings_in
from hypothesis import given
from hypothesis import strategies as st
from registry_house import CARE, ELDER, OTHER_ELDER, House, actor

from registry.accounts.rules import ROLES
from registry.codes import service as codes
from registry.codes.rules import CodeRequest
from registry.errors import InvalidDraftError
from registry.scans import rules
from registry.scans import service as scans
from registry.scans.rules import Scanner
from registry.scans.tables import Scan
from verifier.code import CodeKind
from verifier.suites import SoftwareKey

pytest_plugins = ["registry_fixtures"]

KEY = SoftwareKey.from_seed(b"n" * 32)
FIELDS = (
    "kind", "kind_name", "expires_at", "dynamic", "second_factor_due", "name", "place", "subject", "code_id",
    "generation", "issued_at", "shown_at", "grants", "delegation", "chain",
)  # fmt: skip
ALWAYS = {"kind", "kind_name", "expires_at", "dynamic", "second_factor_due"}


def whole(kind: str) -> dict[str, Any]:
    return {name: f"value of {name}" for name in FIELDS} | {"kind": kind}


@pytest.mark.parametrize("scanner", list(Scanner))
@pytest.mark.parametrize("kind", sorted(rules.TABLE))
def test_every_cell_of_the_table_opens_what_it_names_and_nothing_else(kind: str, scanner: Scanner) -> None:
    shown = rules.opened(whole(kind), scanner)
    assert shown.keys() == ALWAYS | rules.TABLE[kind][scanner] and shown.keys() <= set(FIELDS)


@pytest.mark.parametrize("kind", [kind.name.lower() for kind in CodeKind])
def test_every_kind_of_code_has_a_row_and_the_public_never_sees_more_than_a_window(kind: str) -> None:
    row = rules.TABLE[kind]
    assert row.keys() == set(Scanner)
    assert row[Scanner.PUBLIC] <= row[Scanner.GATE] <= row[Scanner.WINDOW]


@pytest.mark.parametrize("kind", ["person", "printed"])
def test_a_persons_code_tells_the_public_and_a_gate_nothing_that_its_bearer_holds(kind: str) -> None:
    for scanner in (Scanner.PUBLIC, Scanner.GATE):
        assert "grants" not in rules.opened(whole(kind), scanner)
    assert rules.opened(whole(kind), Scanner.PUBLIC).keys() == ALWAYS


@given(st.text(max_size=20))
def test_a_kind_that_is_not_in_the_table_shows_the_least(kind: str) -> None:
    if kind not in rules.TABLE:
        for scanner in Scanner:
            assert rules.opened(whole(kind), scanner).keys() == ALWAYS


@given(st.sets(st.sampled_from(sorted(ROLES))), st.sampled_from(["", "  ", "办理年审"]))
def test_only_a_window_with_a_purpose_is_a_window(roles: set[str], purpose: str) -> None:
    found = rules.scanner_of(roles, purpose)
    assert (found is Scanner.WINDOW) == (bool(purpose.strip()) and bool(roles & {"window", "registrar"}))
    if not roles:
        assert found is Scanner.PUBLIC


def test_a_window_is_recorded_and_the_holder_sees_it_for_a_month(house: House) -> None:
    code = house.do(codes.issue, CodeRequest(CodeKind.PERSON, holder=("111", ELDER)), KEY)
    paper = house.do(codes.issue, CodeRequest(CodeKind.PRINTED, holder=("111", ELDER)), KEY)
    house.do(scans.record, code.id, "办理年审", who=actor(CARE))
    house.do(scans.record, paper.id, "核对")
    seen = house.see(scans.of_number, ("111", ELDER))
    assert {(one.department, one.purpose) for one in seen} == {(CARE, "办理年审"), (actor().department, "核对")}
    assert house.see(scans.of_number, ("111", OTHER_ELDER)) == []
    house.clock.pass_by(days=rules.KEPT_FOR.days)
    assert house.see(scans.of_number, ("111", ELDER)) == []
    house.do(scans.forget_old)
    with house.work() as work:
        assert work.session.query(Scan).count() == 0


def test_signs_and_codes_of_others_are_not_recorded_and_a_purpose_is_bounded(house: House) -> None:
    sign = house.do(codes.issue, CodeRequest(CodeKind.ENTERPRISE, subject=COMPANY, name="随证"), KEY)
    assert house.do(scans.record, sign.id, "查看") is None
    assert house.do(scans.record, "0" * 16, "查看") is None
    with pytest.raises(InvalidDraftError):
        house.do(scans.record, sign.id, "长" * 201)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("scans"))) as office:
        yield office


def test_the_server_masks_and_remembers(office: OpenOffice) -> None:
    person = {"holder_code_type_code": "111", "holder_code": PERSON}
    code = office.send("POST", "/api/v1/codes", "window", json={"kind": "person", **person}).json()

    def subject(role: str | None, **more: str) -> dict[str, Any]:
        body = {"text": code["text"], **more}
        if role is None:
            answer = office.client.post("/api/v1/verifications", json=body)
        else:
            answer = office.send("POST", "/api/v1/verifications", role, USER, json=body)
        assert answer.json()["state"] == "valid"
        shown: dict[str, Any] = answer.json()["subject"]
        return shown

    for shown in (subject(None), subject(None, purpose="好奇"), subject("window"), subject("auditor", purpose="审计")):
        assert shown.keys() == ALWAYS
    assert subject("venue").keys() == ALWAYS | {"code_id", "shown_at"}
    assert subject("window", purpose="办理敬老卡年审")["grants"] == []
    items = office.send("POST", "/api/v1/scans/search", "window", ISSUER, json=person).json()["items"]
    assert [(one["department"], one["purpose"]) for one in items] == [
        ("上海市长宁区民生服务中心（示例）", "办理敬老卡年审"),
    ]  # fmt: skip
    assert PERSON not in str(items)
    long = {"text": code["text"], "purpose": "长" * 201}
    assert reason(office.send("POST", "/api/v1/verifications", "window", USER, json=long), 422) == "invalid_request"
