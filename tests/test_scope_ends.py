"""A scope that ends earlier than it was granted: from when, what stays, who hears why, and how it is undone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from api_office import ISSUER, LICENCE, USER, OpenOffice, open_office, settings_in
from registry_house import CARE, FOOD, MARKET, House, actor, food
from sqlalchemy import select

from registry.certificates import service as certificates
from registry.departments import service as departments
from registry.departments.tables import Scope, ScopeEnd
from registry.errors import DuplicateError, InvalidDraftError, NotFoundError, NotPermittedError
from verifier.times import shanghai_day

pytest_plugins = ("registry_fixtures",)

WHY = "示例：职责划转"
TODAY = date(2026, 11, 22)


def scope_of(house: House, department: str = MARKET) -> Scope:
    found = house.see(departments.list_scopes, department, "issue")
    return next(scope for scope in found if scope.type_code == FOOD)


def end(house: House, on: date, reason: str = WHY, department: str = MARKET) -> Scope:
    ended: Scope = house.do(departments.end_scope, department, scope_of(house).id, on, reason)
    return ended


def test_it_holds_through_its_last_day_and_what_was_registered_stays(house: House) -> None:
    registered = house.certificate()
    assert end(house, TODAY).valid_to_on == TODAY
    assert house.do(certificates.register, food(2), who=actor(MARKET))
    house.clock.pass_by(days=1)
    with pytest.raises(NotPermittedError, match="scope_missing"):
        house.do(certificates.register, food(3), who=actor(MARKET))
    assert house.see(certificates.get, registered.id).status == 0
    # Undone by granting anew.
    house.do(departments.grant_scope, MARKET, FOOD, "issue")
    assert house.do(certificates.register, food(3), who=actor(MARKET))


def test_each_decision_is_kept_with_its_reason_and_repeating_one_changes_nothing(house: House) -> None:
    for on in (TODAY + timedelta(days=9), TODAY, TODAY):
        end(house, on)
    rows = house.see(lambda work: work.session.scalars(select(ScopeEnd).order_by(ScopeEnd.id)).all())
    assert [(row.ended_on_before, row.valid_to_on, row.reason) for row in rows] == [
        (None, TODAY + timedelta(days=9), WHY),
        (TODAY + timedelta(days=9), TODAY, WHY),
    ]
    assert house.see(departments.ends_of)[scope_of(house).id].valid_to_on == TODAY


@pytest.mark.parametrize(
    ("on", "reason", "said"),
    [
        (TODAY - timedelta(days=1), WHY, ["ends_before_today"]),
        (TODAY + timedelta(days=6), WHY, ["not_earlier"]),
        (TODAY, " ", ["wrong_length"]),
        (TODAY - timedelta(days=1), "字" * 201, ["ends_before_today", "wrong_length"]),
    ],
)
def test_it_ends_neither_before_today_nor_later_nor_without_a_reason(
    sqlite_house: House, on: date, reason: str, said: list[str]
) -> None:
    end(sqlite_house, TODAY + timedelta(days=5))
    with pytest.raises(InvalidDraftError) as refused:
        end(sqlite_house, on, reason)
    assert [error.reason for error in refused.value.errors] == said
    assert scope_of(sqlite_house).valid_to_on == TODAY + timedelta(days=5)


def test_one_that_has_not_begun_ends_with_its_first_day_at_the_earliest(sqlite_house: House) -> None:
    begins = TODAY + timedelta(days=30)
    scope = sqlite_house.do(departments.grant_scope, CARE, FOOD, "issue", begins)
    with pytest.raises(InvalidDraftError) as refused:
        sqlite_house.do(departments.end_scope, CARE, scope.id, TODAY, WHY)
    assert refused.value.errors[0].reason == "ends_before_it_begins"
    assert sqlite_house.do(departments.end_scope, CARE, scope.id, begins, WHY).valid_to_on == begins


def test_the_scope_of_another_department_is_not_found(sqlite_house: House) -> None:
    with pytest.raises(NotFoundError, match="scope_unknown"):
        end(sqlite_house, TODAY, department=CARE)


def test_a_grant_of_the_same_first_day_with_another_end_is_no_silent_repetition(sqlite_house: House) -> None:
    end(sqlite_house, TODAY)
    with pytest.raises(DuplicateError, match="scope_exists"):
        sqlite_house.do(departments.grant_scope, MARKET, FOOD, "issue", TODAY)
    assert sqlite_house.do(departments.grant_scope, MARKET, FOOD, "issue", TODAY, TODAY).id == scope_of(sqlite_house).id


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("office"))) as office:
        yield office


def test_an_administrator_ends_one_over_http_alone_and_others_do_not(opened: OpenOffice) -> None:
    listed = opened.send("GET", "/api/v1/departments").json()["items"]
    (shown,) = [one for one in listed if one["code"] == USER]
    (scope,) = [one for one in shown["scopes"] if (one["type_code"], one["action"]) == (LICENCE, "use")]
    path = f"/api/v1/departments/{USER}/scopes/{scope['id']}/end"
    today = shanghai_day(opened.services.clock())
    body = {"valid_to_on": today.isoformat(), "reason": WHY}
    assert opened.send("POST", path, "registrar", json=body).status_code == 403
    late = opened.send("POST", path, json={**body, "valid_to_on": (today - timedelta(days=1)).isoformat()})
    assert (late.status_code, late.json()["errors"][0]["reason"]) == (422, "ends_before_today")
    assert opened.send("POST", path.replace(USER, ISSUER), json=body).status_code == 404
    done = opened.send("POST", path, json=body)
    assert (done.status_code, done.json()["valid_to_on"], done.json()["ended_because"]) == (200, today.isoformat(), WHY)
    again = opened.send("POST", f"/api/v1/departments/{USER}/scopes", json={
        "type_code": LICENCE, "action": "use", "valid_from_on": "2020-01-01",
    })  # fmt: skip
    assert (again.status_code, again.json()["reason"]) == (409, "scope_exists")
