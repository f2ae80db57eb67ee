"""Departments, scopes, staff, log-in, tokens, and the catalogue."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from registry_house import (
    BUSINESS,
    CARE,
    FOOD,
    MARKET,
    MATTER,
    NOON,
    PROOF,
    PURPOSE,
    House,
    actor,
    disability,
    food,
    proof,
    senior,
)  # fmt: skip
from sqlalchemy import select

from registry.accounts import rules, tokens
from registry.accounts import service as accounts
from registry.accounts.tables import ApiToken, Staff, StaffSession
from registry.catalogue import service as catalogue
from registry.catalogue.rules import Slot, Validity, add_years, compile_definition
from registry.database import migrate, open_engine
from registry.departments import service as departments
from registry.errors import AuthenticationError, DuplicateError, InvalidDraftError, NotFoundError
from registry.log.tables import LogEntry
from registry.work import REGISTRY
from verifier.entry import Kind
from verifier.identifiers import check_identifier, make_identifier

pytest_plugins = ["registry_fixtures"]

PASSWORD = "Sui-zheng-2026"


def _count(house: House, kind: Kind) -> int:
    with house.registry.read(REGISTRY) as work:
        return len(work.session.scalars(select(LogEntry.id).where(LogEntry.kind == int(kind))).all())


# Departments and scopes.


def test_a_department_is_registered_once_with_one_entry(house: House) -> None:
    before = _count(house, Kind.DEPARTMENT)
    facts = ("91310105MA1FWT014B", "上海随证科技有限公司", "随证科技", "unit")
    first = house.do(departments.register, *facts)
    assert house.do(departments.register, *facts).code == first.code
    assert _count(house, Kind.DEPARTMENT) == before + 1
    with pytest.raises(DuplicateError) as refused:
        house.do(departments.register, facts[0], "另一家公司", "另一家", "unit")
    assert refused.value.existing_id == facts[0]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"code": "91310105MA1FWT014C"}, "code"),
        ({"code": "I" * 18}, "code"),
        ({"name": " "}, "name"),
        ({"name": "示" * 101}, "name"),
        ({"short_name": ""}, "short_name"),
        ({"level": "galaxy"}, "level"),
    ],
)
def test_a_department_with_a_fault_is_refused_by_field(sqlite_house: House, change: dict[str, str], field: str) -> None:
    facts = {"code": "91310105MA1FWT014B", "name": "示例", "short_name": "示例", "level": "unit", **change}
    with pytest.raises(InvalidDraftError) as refused:
        sqlite_house.do(departments.register, **facts)
    assert [error.field for error in refused.value.errors] == [field]


@pytest.mark.parametrize("days", [(date.min, None), (date(1899, 12, 31), None), (date(2026, 1, 1), date.max)])
def test_a_scope_from_the_ends_of_the_calendar_is_refused(house: House, days: tuple[date, date | None]) -> None:
    with pytest.raises(InvalidDraftError) as refused:
        house.do(departments.grant_scope, CARE, BUSINESS, "issue", *days)
    assert [error.reason for error in refused.value.errors] == ["day_out_of_range"]


def test_a_scope_holds_from_its_first_to_its_last_day(house: House) -> None:
    house.do(departments.grant_scope, CARE, FOOD, "issue", date(2026, 11, 20), date(2026, 11, 22))
    days = {date(2026, 11, day): 20 <= day <= 22 for day in range(19, 25)}
    with house.registry.read(REGISTRY) as work:
        for day, holds in days.items():
            assert departments.has_scope(work.session, CARE, FOOD, "issue", day) is holds
        assert not departments.has_scope(work.session, CARE, BUSINESS, "issue", date(2026, 11, 21))
    for wrong in (("fly", None), ("issue", date(2026, 1, 1))):
        with pytest.raises(InvalidDraftError):
            house.do(departments.grant_scope, CARE, FOOD, wrong[0], date(2026, 11, 20), wrong[1])
    with pytest.raises(NotFoundError):
        house.do(departments.grant_scope, "91310105MA1FWT0226", FOOD, "issue")


# Accounts.


def test_the_first_start_makes_one_administrator_with_a_password_for_once(database_url: str) -> None:
    engine = open_engine(database_url)
    migrate(engine)
    house = House(engine)
    password = house.do(accounts.create_first_administrator, who=REGISTRY)
    assert house.do(accounts.create_first_administrator, who=REGISTRY) is None
    login = accounts.log_in(house.registry, "admin", password)
    assert login.staff.must_change_password and login.actor.roles == {"administrator"}
    assert rules.check_password(password, "admin") == []
    changed = accounts.change_password(house.registry, login.staff.id, password, PASSWORD)
    assert house.see(accounts.find_session, login.secret) is None
    assert house.see(accounts.find_session, changed.secret) is not None
    assert not accounts.log_in(house.registry, "admin", PASSWORD).staff.must_change_password
    engine.dispose()


def test_no_secret_is_stored(house: House) -> None:
    house.do(accounts.create_staff, "clerk", "随证员", ["window"], CARE, PASSWORD)
    login = accounts.log_in(house.registry, "clerk", PASSWORD)
    token = house.do(tokens.create, "系统", CARE, ["window"], NOON + timedelta(days=30))
    with house.registry.read(REGISTRY) as work:
        staff, session, kept = (work.session.scalars(select(table)).one() for table in (Staff, StaffSession, ApiToken))
    assert staff.password_hash.startswith("$argon2id$") and PASSWORD not in staff.password_hash
    assert login.secret.encode() not in session.secret_sha256 and len(session.secret_sha256) == 32
    assert token.secret.startswith("szt_") and token.secret.encode() not in kept.secret_sha256
    assert login.actor.id == f"staff:{staff.id}" and "clerk" not in login.actor.id


def test_a_session_ends_by_time_by_log_out_and_with_the_account(house: House) -> None:
    made = house.do(accounts.create_staff, "clerk", "随证员", ["window"], CARE, PASSWORD)
    logins = [accounts.log_in(house.registry, "clerk", PASSWORD) for _ in range(3)]

    def alive() -> list[bool]:
        return [house.see(accounts.find_session, login.secret) is not None for login in logins]

    assert alive() == [True, True, True]
    assert house.see(accounts.find_session, "x" * 43) is None
    house.do(accounts.log_out, logins[0].secret)
    assert alive() == [False, True, True]
    house.do(accounts.disable_staff, made.staff.id)
    assert alive() == [False] * 3
    with pytest.raises(AuthenticationError) as refused:
        accounts.log_in(house.registry, "clerk", PASSWORD)
    assert refused.value.reason == "account_disabled"
    house.do(accounts.create_staff, "other", "随证员", ["window"], CARE, PASSWORD)
    late = accounts.log_in(house.registry, "other", PASSWORD)
    house.clock.pass_by(hours=9, minutes=59)
    assert house.see(accounts.find_session, late.secret) is not None
    house.clock.pass_by(minutes=2)
    assert house.see(accounts.find_session, late.secret) is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": "Übermut"}, "username"),
        ({"username": "ab"}, "username"),
        ({"name": ""}, "name"),
        ({"roles": ["king"]}, "roles"),
        ({"roles": []}, "roles"),
        ({"roles": ["window", "window"]}, "roles"),
        ({"department": None}, "department"),
        ({"password": "weak"}, "password"),
    ],
)
def test_an_account_with_a_fault_is_refused_by_field(sqlite_house: House, change: dict[str, Any], field: str) -> None:
    facts = {"username": "clerk", "name": "随证员", "roles": ["window"], "department": CARE, "password": PASSWORD}
    with pytest.raises(InvalidDraftError) as refused:
        sqlite_house.do(accounts.create_staff, **{**facts, **change})
    assert [error.field for error in refused.value.errors] == [field]


def test_a_user_name_is_given_once_and_a_department_must_exist(house: House) -> None:
    first = house.do(accounts.create_staff, "clerk", "随证员", ["window"], CARE, PASSWORD)
    with pytest.raises(DuplicateError) as taken:
        house.do(accounts.create_staff, "clerk", "另一人", ["window"], CARE, PASSWORD)
    assert taken.value.existing_id == first.staff.id
    with pytest.raises(NotFoundError):
        house.do(accounts.create_staff, "other", "随证员", ["window"], "91310105MA1FWT0226", PASSWORD)
    assert [staff.username for staff in house.see(accounts.list_staff)] == ["clerk"]


def test_a_token_works_until_it_expires_or_is_revoked(house: House) -> None:
    made = house.do(tokens.create, "许可系统", MARKET, ["registrar"], NOON + timedelta(days=30))
    other = house.do(tokens.create, "审计", None, ["auditor"], NOON + timedelta(days=30))
    who = house.see(tokens.authenticate, made.secret)
    assert (who.kind, who.department, who.roles) == ("system", MARKET, {"registrar"})

    def reason(secret: str) -> str:
        with pytest.raises(AuthenticationError) as refused:
            house.see(tokens.authenticate, secret)
        return refused.value.reason

    assert reason("szt_" + "A" * 43) == reason("") == reason("密钥") == "token_unknown"
    house.do(tokens.revoke, made.token.id)
    assert reason(made.secret) == "token_revoked"
    house.clock.pass_by(days=31)
    assert reason(other.secret) == "token_expired"
    for changes in ({"expires_at": NOON}, {"roles": ["king"]}, {"name": ""}, {"department": None}):
        facts = {
            "name": "系统",
            "department": CARE,
            "roles": ["window"],
            "expires_at": house.clock.at + timedelta(days=9),
        }
        with pytest.raises(InvalidDraftError):
            house.do(tokens.create, **{**facts, **changes})
    with pytest.raises(NotFoundError):
        house.do(tokens.revoke, "0" * 26)
    assert len(house.see(tokens.list_tokens)) == 2


# The catalogue.


def test_the_built_in_types_are_installed_once_and_their_example_numbers_fit() -> None:
    names = {definition["name"] for definition in catalogue.builtin_definitions()}
    assert {"营业执照", "食品经营许可证", "残疾人证", "老年优待证", "特种作业操作资格证"} <= names
    for definition in catalogue.builtin_definitions():
        compiled = compile_definition(definition)
        check_identifier(make_identifier(compiled.code, MARKET, "1", 1))
        assert definition["source"]["status"] in ("unconfirmed", "seen", "local") and definition["source"]["note"]
        assert all(part.get("title") for part in definition["schema"]["properties"].values())
        if compiled.number_pattern is not None:
            assert compiled.number_pattern.fullmatch(definition["number_example"])
    assert [one["name"] for one in catalogue.builtin_definitions() if one["one_time"]] == [
        "居住情况证明（一次性）",
        "电子发票",
    ]


def test_the_drafts_of_these_tests_fit_their_types() -> None:
    for draft, data in ((food(), food().extend_info), (senior(), senior().extend_info), (proof(), proof().data),
                        (disability(), disability().extend_info)):  # fmt: skip
        (definition,) = [one for one in catalogue.builtin_definitions() if one["code"] == draft.type_code]
        compile_definition(definition).schema.check(dict(data))


def test_installing_again_changes_nothing_and_a_new_version_keeps_the_old_one(house: House) -> None:
    before = _count(house, Kind.TYPE)
    assert house.do(catalogue.install_builtin) == []
    assert _count(house, Kind.TYPE) == before == len(catalogue.builtin_versions())
    (definition,) = [dict(one) for one in catalogue.builtin_definitions() if one["code"] == FOOD]
    older = definition["version"]
    with pytest.raises(DuplicateError) as differs:
        house.do(catalogue.install_type, {**definition, "name": "食品许可"})
    assert differs.value.reason == "type_version_exists"
    house.do(catalogue.install_type, {**definition, "name": "食品许可", "version": older + 1})
    assert house.see(catalogue.get_type, FOOD).name == "食品许可"
    assert house.see(catalogue.definition_at, FOOD, older).name == "食品经营许可证"
    assert house.see(catalogue.definition_of, FOOD).version == older + 1
    assert _count(house, Kind.TYPE) == before + 1
    with pytest.raises(DuplicateError) as number:
        house.do(catalogue.install_type, {**definition, "code": FOOD[:-1] + "8"})
    assert number.value.reason == "type_number_taken"


@pytest.mark.parametrize(
    "change",
    [
        {"code": "X"},
        {"code": MARKET + "001"},
        {"definer_code": "1" * 18},
        {"kind": "coin"},
        {"version": 0},
        {"number": "1"},
        {"name": ""},
        {"number_pattern": "("},
        {"holder": {"code_types": ["777"], "minimum": 1, "maximum": 1}},
        {"holder": {"code_types": ["001"], "minimum": 2, "maximum": 1}},
        {"schema": {"type": "nonsense"}},
        {"schema": {"$ref": "http://elsewhere.example/schema"}},
        {"extra": 1},
    ],
)
def test_a_definition_with_a_fault_is_refused(change: dict[str, Any]) -> None:
    (definition,) = [one for one in catalogue.builtin_definitions() if one["code"] == FOOD]
    assert compile_definition(definition)
    with pytest.raises(InvalidDraftError):
        compile_definition({**definition, **change})


def test_a_period_of_years_may_end_on_the_anniversary_or_the_day_before() -> None:
    five = Validity(long_term=False, minimum_years=5, maximum_years=5)
    start = date(2024, 2, 29)
    assert add_years(start, 1) == date(2025, 2, 28) and add_years(start, 4) == date(2028, 2, 29)
    ends = {date(2029, 2, 26): False, date(2029, 2, 27): True, date(2029, 2, 28): True, date(2029, 3, 1): False}
    assert {end: five.fault(start, end) is None for end in ends} == ends
    assert five.fault(start, None) is not None
    assert Validity(True, None, None).fault(start, None) is None
    assert Validity(True, None, None).fault(start, date(2030, 1, 1)) is not None


def test_a_matter_is_registered_with_its_slots_once(house: House) -> None:
    slots = (Slot("CL01", "营业执照", (BUSINESS,)), Slot("CL02", "证明", (PROOF, FOOD), required=False))
    house.do(catalogue.register_matter, "CN-0002", "示例事项", MARKET, "示例用途", slots)
    house.do(catalogue.register_matter, "CN-0002", "示例事项", MARKET, "示例用途", slots)
    assert house.see(catalogue.slots_of, "CN-0002") == slots
    with pytest.raises(DuplicateError):
        house.do(catalogue.register_matter, "CN-0002", "另一事项", MARKET, "示例用途", slots)
    for facts, field in (
        (("小写", "示例", MARKET, "用途", slots), "code"),
        (("CN-0003", "", MARKET, "用途", slots), "name"),
        (("CN-0003", "示例", MARKET, "", slots), "purpose"),
        (("CN-0003", "示例", MARKET, "用途", ()), "slots"),
        (("CN-0003", "示例", MARKET, "用途", (slots[0], slots[0])), "slots"),
        (("CN-0003", "示例", MARKET, "用途", (Slot("CL01", "x", ("?",)),)), "slots[0].accepts"),
    ):
        with pytest.raises(InvalidDraftError) as refused:
            house.do(catalogue.register_matter, *facts)
        assert field in [error.field for error in refused.value.errors]
    assert [row.code for row in house.see(catalogue.list_matters, CARE)] == [MATTER]
    assert house.see(catalogue.get_matter, MATTER).purpose == PURPOSE
    with pytest.raises(NotFoundError):
        house.see(catalogue.get_matter, "CN-9999")
    assert actor().has_role("registrar") and not actor(CARE, "window").has_role("registrar")
