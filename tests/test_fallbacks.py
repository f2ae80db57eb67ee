"""Fallback numbers: eight digits that stand for a code once, for minutes, and cannot be guessed."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from api_office import ISSUER, LICENCE, PERSON, USER, OpenOffice, open_office, reason, settings_in
from hypothesis import given
from hypothesis import strategies as st
from registry_house import CARE, COMPANY, ELDER, House, actor

from registry.codes import service as codes
from registry.codes.rules import CodeRequest
from registry.codes.tables import Code
from registry.errors import (
    InvalidDraftError,
    NotFoundError,
    RegistryError,
    TooManyTriesError,
    TransitionError,
    WrongNumberError,
)
from registry.fallbacks import rules
from registry.fallbacks import service as fallbacks
from registry.fallbacks.tables import FailedTry, FallbackNumber
from registry.work import REGISTRY, Actor
from verifier.code import CodeKind
from verifier.suites import SoftwareKey

pytest_plugins = ["registry_fixtures"]

KEY = SoftwareKey.from_seed(b"f" * 32)


def code_of(house: House, kind: CodeKind = CodeKind.PERSON, **facts: Any) -> Code:
    given = facts or ({"holder": ("111", ELDER)} if kind in (CodeKind.PERSON, CodeKind.PRINTED) else {})
    code: Code = house.do(codes.issue, CodeRequest(kind, **given), KEY)
    return code


def wrong(number: str) -> str:
    return f"{(int(number) + 1) % 10**8:08d}"


def test_a_number_stands_for_its_code_once(house: House) -> None:
    code = code_of(house)
    number, row = house.do(fallbacks.make, code.id)
    assert len(number) == 8 and number.isdigit() and row.expires_at - row.made_at == rules.LASTS
    taken = house.do(fallbacks.take, f" {number[:4]} {number[4:]} ", who=actor(CARE))
    assert (taken.code.id, taken.subject_index.hex(), taken.authorisation_id) == (code.id, code.subject, None)
    with pytest.raises(WrongNumberError):
        house.do(fallbacks.take, number, who=actor(CARE))


def test_a_number_ends_with_its_minutes_with_a_newer_one_and_with_its_code(house: House) -> None:
    code = code_of(house)
    late, _ = house.do(fallbacks.make, code.id)
    house.clock.pass_by(seconds=rules.LASTS.total_seconds())
    with pytest.raises(WrongNumberError):
        house.do(fallbacks.take, late)
    older, _ = house.do(fallbacks.make, code.id)
    newer, _ = house.do(fallbacks.make, code.id)
    if older != newer:
        with pytest.raises(WrongNumberError):
            house.do(fallbacks.take, older)
    house.do(codes.report_loss, code.id)
    with pytest.raises(TransitionError):
        house.do(fallbacks.take, newer)
    with pytest.raises(TransitionError):
        house.do(fallbacks.make, code.id)


def test_signs_and_paper_have_no_numbers(house: House) -> None:
    paper = code_of(house, CodeKind.PRINTED)
    with pytest.raises(TransitionError) as refused:
        house.do(fallbacks.make, paper.id)
    assert refused.value.reason == "no_number_for_it"
    company = code_of(house, CodeKind.ENTERPRISE, subject=COMPANY, name="上海随证餐饮有限公司")
    number, _ = house.do(fallbacks.make, company.id)
    assert house.do(fallbacks.take, number).code.id == company.id
    with pytest.raises(NotFoundError):
        house.do(fallbacks.make, "0" * 16)


def test_a_number_may_be_bound_to_one_authorisation(house: House) -> None:
    code, grant = code_of(house), house.grant(house.certificate().id)
    number, _ = house.do(fallbacks.make_for, ("111", ELDER), grant)
    taken = house.do(fallbacks.take, number)
    assert (taken.code.id, taken.authorisation_id) == (code.id, grant)
    with pytest.raises(NotFoundError):
        house.do(fallbacks.make_for, ("111", ELDER), "0" * 26)
    with pytest.raises(NotFoundError):
        house.do(fallbacks.make_for, ("111", "31010518991231999X"))


def test_the_number_itself_stands_nowhere(house: House) -> None:
    number, row = house.do(fallbacks.make, code_of(house).id)
    with house.work() as work:
        kept = work.session.get_one(FallbackNumber, row.id)
        values = [getattr(kept, column.key) for column in FallbackNumber.__table__.columns]
    assert not any(number in str(value) or value == number.encode() for value in values)
    assert len(kept.digest) == 32


def test_wrong_tries_lock_the_account_and_then_everybody(house: House) -> None:
    number, _ = house.do(fallbacks.make, code_of(house).id)
    for _ in range(rules.MAX_FAILURES):
        with pytest.raises(WrongNumberError):
            house.do(fallbacks.take, wrong(number))
    with pytest.raises(TooManyTriesError):
        house.do(fallbacks.take, number)
    clerks = [Actor(f"staff:{n}", "staff", CARE, frozenset({"window"})) for n in range(20)]
    tries = 0
    for clerk in itertools.cycle(clerks):
        try:
            house.do(fallbacks.take, wrong(number), who=clerk)
        except WrongNumberError:
            tries += 1
        except TooManyTriesError:
            break
    assert tries == rules.MAX_FAILURES_OF_ALL - rules.MAX_FAILURES
    with pytest.raises(TooManyTriesError):
        house.do(fallbacks.take, number, who=actor(CARE))
    house.clock.pass_by(seconds=rules.FAILURES_WITHIN.total_seconds())
    fresh, _ = house.do(fallbacks.make, house.see(codes.list_page)[0].id)
    assert house.do(fallbacks.take, fresh)
    house.do(fallbacks.forget_old)
    with house.work() as work:
        assert work.session.query(FailedTry).count() == 0


def test_what_is_no_number_is_not_counted(house: House) -> None:
    for typed in ("", "1234567", "123456789", "１２３４５６７８", "12 34 56 7a"):
        with pytest.raises(InvalidDraftError):
            house.do(fallbacks.take, typed)
    with house.work() as work:
        assert work.session.query(FailedTry).count() == 0


def test_of_many_who_take_it_at_once_one_gets_it(house: House) -> None:
    number, _ = house.do(fallbacks.make, code_of(house).id)
    outcomes: Counter[str] = Counter()

    def take(n: int) -> None:
        while True:
            try:
                house.do(fallbacks.take, number, who=Actor(f"staff:{n}", "staff", CARE, frozenset()))
                outcomes["taken"] += 1
            except WrongNumberError:
                outcomes["refused"] += 1
            except RegistryError as error:
                assert error.reason == "database_busy", error
                continue
            return

    threads = [threading.Thread(target=take, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {"taken": 1, "refused": 3}


@given(st.binary(min_size=8, max_size=8))
def test_every_draw_is_eight_digits(drawn: bytes) -> None:
    parts = [drawn[:4], drawn[4:], b"\x00\x00\x00\x07"]
    number = rules.draw_number(lambda size: parts.pop(0))
    assert rules.read_number(number) == number


def test_guessing_is_hopeless_by_the_stated_odds() -> None:
    assert rules.odds_in_an_hour() < 0.001
    assert rules.odds_in_an_hour(tries=rules.MAX_FAILURES, live=20) < 2.1e-6


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("fallbacks"))) as office:
        yield office


def test_a_window_takes_what_another_window_made_and_static_codes_get_none(office: OpenOffice) -> None:
    person = {"holder_code_type_code": "111", "holder_code": PERSON}
    code = office.send("POST", "/api/v1/codes", "window", json={"kind": "person", **person}).json()
    static = office.client.post("/api/v1/fallbacks", json={"text": code["text"]})
    assert static.json()["errors"][0]["reason"] == "not_dynamic"
    made = office.send("POST", "/api/v1/fallbacks/holders", "window", ISSUER, json=person)
    number = made.json()["number"]
    assert made.status_code == 201 and PERSON not in made.text
    assert reason(office.send("POST", "/api/v1/fallbacks/taking", "registrar", USER, json={"number": number}), 403)
    taken = office.send("POST", "/api/v1/fallbacks/taking", "window", USER, json={"number": number})
    assert (taken.json()["code_id"], taken.json()["name"]) == (code["id"], None)
    again = office.send("POST", "/api/v1/fallbacks/taking", "window", USER, json={"number": number})
    assert reason(again, 404) == "wrong_number" and number not in again.text


def test_a_number_opens_no_more_than_its_code_and_the_holder_sees_who_looked(office: OpenOffice) -> None:
    person = {"holder_code_type_code": "111", "holder_code": PERSON}
    code = office.send("POST", "/api/v1/codes", "window", json={"kind": "person", **person}).json()

    def take(role: str, **purpose: str) -> dict[str, Any]:
        number = office.send("POST", "/api/v1/fallbacks/holders", "window", ISSUER, json=person).json()["number"]
        with office.services.registry.begin(REGISTRY) as work:
            work.session.get_one(Code, code["id"]).wanted = {"types": [LICENCE], "venues": []}
        answer = office.send("POST", "/api/v1/fallbacks/taking", role, USER, json={"number": number, **purpose})
        return dict(answer.json())

    def looks() -> list[str]:
        found = office.send("POST", "/api/v1/scans/search", "window", json=person).json()["items"]
        return [one["purpose"] for one in found]

    before = len(looks())
    assert [take("venue")["certificate_types"], take("venue", purpose="入园")["certificate_types"]] == [[], []]
    # Nothing is opened to them, yet each has looked this person up: the person sees all three.
    assert looks()[:2] == ["入园", rules.NO_PURPOSE] and len(looks()) == before + 2
    assert take("window")["certificate_types"] == [] and looks()[0] == rules.NO_PURPOSE
    assert take("window", purpose="老年卡年检")["certificate_types"] == [LICENCE]
    assert looks()[0] == "老年卡年检" and len(looks()) == before + 4


def test_at_use_each_look_up_is_recorded_before_any_use_and_a_wrong_case_costs_no_number(office: OpenOffice) -> None:
    person = {"holder_code_type_code": "111", "holder_code": PERSON}
    slots = [{"code": "CL01", "name": "主体资格证明", "accepts": [LICENCE]}]
    matter = {"code": "FB-0001", "name": "备用号事项", "department": USER, "purpose": "受理备用号事项", "slots": slots}
    assert office.send("POST", "/api/v1/matters", json=matter).status_code == 201
    code = office.send("POST", "/api/v1/codes", "window", json={"kind": "person", **person}).json()
    made = office.send("POST", "/api/v1/fallbacks/holders", "window", ISSUER, json=person).json()

    def looks() -> list[str]:
        found = office.send("POST", "/api/v1/scans/search", "window", ISSUER, json=person).json()["items"]
        return [one["purpose"] for one in found if one["purpose"] == "受理备用号事项"]

    def use(text: str, case_no: str) -> Any:
        form = {"matter": "FB-0001", "case_no": case_no, "text": text}
        return office.send("POST", "/use", "window", USER, data=form)

    assert use(made["number"], "x" * 65).status_code == 422 and looks() == []
    found = use(made["number"], "FB-1")
    assert found.status_code == 200 and "本次查看已记录" in found.text and len(looks()) == 1
    assert use(made["number"], "FB-1").status_code == 404 and len(looks()) == 1
    assert use(code["text"], "FB-1").status_code == 200 and len(looks()) == 2


def test_a_wrong_number_says_how_often_one_may_try_again(house: House) -> None:
    number, _ = house.do(fallbacks.make, code_of(house).id)
    for left in range(rules.MAX_FAILURES - 1, -1, -1):
        with pytest.raises(WrongNumberError, match=f"还可以再试 {left} 次"):
            house.do(fallbacks.take, wrong(number))
