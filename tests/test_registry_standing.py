"""Suspending a department: what it may not do, what stays, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from api_office import ISSUER, USER, OpenOffice, open_office, settings_in
from registry_house import FOOD, MARKET, House, actor, food
from sqlalchemy import select
from test_registry_governance import Office

from chain.changes import MemberState
from registry.certificates import service as certificates
from registry.departments import service as departments
from registry.departments import standing
from registry.errors import InvalidDraftError, NotFoundError, NotPermittedError
from registry.log.tables import LogEntry
from registry.work import REGISTRY
from verifier.entry import Entry

pytest_plugins = ["registry_fixtures"]

WHY = "机构改革"


def test_a_suspended_department_issues_and_uses_nothing_until_it_is_reinstated(house: House) -> None:
    assert house.certificate()
    house.do(standing.suspend, MARKET, WHY)
    with pytest.raises((NotPermittedError, InvalidDraftError)) as refused:
        house.do(certificates.register, food(2), who=actor(MARKET))
    assert "暂停" in str(refused.value.message)
    with house.registry.read(REGISTRY) as work:
        scope = departments.list_scopes(work, MARKET)[0]
        day = scope.valid_from_on
        assert not departments.has_scope(work.session, MARKET, scope.type_code, scope.action, day)
        with pytest.raises(NotPermittedError, match="department_suspended"):
            departments.check_scope(work, MARKET, FOOD, "issue", day)
    house.do(standing.reinstate, MARKET, WHY)
    assert house.do(certificates.register, food(2), who=actor(MARKET))


def test_decisions_keep_their_history_and_repeating_one_changes_nothing(house: House) -> None:
    for decide in (standing.suspend, standing.suspend, standing.reinstate, standing.reinstate, standing.suspend):
        house.do(decide, MARKET, WHY)
    with house.registry.read(REGISTRY) as work:
        rows = standing.history(work, MARKET)
        assert [row.state for row in rows] == ["suspended", "active", "suspended"]
        assert sorted(row.since_at for row in rows) == [row.since_at for row in rows]
        assert standing.is_suspended(work.session, MARKET)


def test_the_log_hears_of_it_from_the_department_that_runs_the_registry(house: House) -> None:
    house.do(standing.suspend, MARKET, WHY)
    with house.registry.read(REGISTRY) as work:
        operator = departments.operator(work).code
        newest = work.session.scalars(select(LogEntry).order_by(LogEntry.id.desc()).limit(1)).one()
        assert newest.payload is not None
        entry = Entry.from_bytes(newest.payload)
    assert (entry.department, entry.facts["state"], entry.facts["code"]) == (operator, "suspended", MARKET)
    assert WHY.encode() not in newest.payload


@pytest.mark.parametrize("decide", [standing.suspend, standing.reinstate])
def test_what_cannot_be_decided_is_refused(sqlite_house: House, decide: Callable[..., object]) -> None:
    with pytest.raises(NotFoundError):
        sqlite_house.do(decide, "91310105MA1FWT0XXX", WHY)
    for reason in ("", " ", "字" * 201, "a\n"):
        with pytest.raises(InvalidDraftError):
            sqlite_house.do(decide, MARKET, reason)
    with sqlite_house.registry.read(REGISTRY) as work:
        operator = departments.operator(work).code
    with pytest.raises(NotPermittedError):
        sqlite_house.do(decide, operator, WHY)


def test_the_chain_follows(tmp_path: Path) -> None:
    office = Office(tmp_path)
    code = "12310105MB9T00038A"
    office.register(code)
    states = []
    for decide in (standing.suspend, standing.reinstate, standing.suspend):
        with office.house.registry.begin(REGISTRY) as work:
            decide(work, code, WHY)
        office.house.settle()
        found = office.chain.members().find(code)
        assert found is not None
        states.append(found.state)
        office.house.clock.at = office.house.clock.at.replace(microsecond=0)
        office.tick_later()
    office.chain.close()
    assert states == [MemberState.SUSPENDED, MemberState.ACTIVE, MemberState.SUSPENDED]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("office"))) as office:
        yield office


def test_an_administrator_suspends_and_reinstates_over_http(opened: OpenOffice) -> None:
    path = f"/api/v1/departments/{USER}"
    answer = opened.send("POST", f"{path}/suspend", json={"reason": WHY})
    assert (answer.status_code, answer.json()["suspended"]) == (200, True)
    shown = {one["code"]: one["suspended"] for one in opened.send("GET", "/api/v1/departments").json()["items"]}
    assert shown[USER] is True
    assert shown[ISSUER] is False
    answer = opened.send("POST", f"{path}/reinstate", json={"reason": WHY})
    assert (answer.status_code, answer.json()["suspended"]) == (200, False)
    assert opened.send("POST", f"{path}/suspend", "registrar", json={"reason": WHY}).status_code == 403
    refused = opened.send("POST", f"/api/v1/departments/{ISSUER}/suspend", json={"reason": WHY})
    assert refused.json()["reason"] == "operator_stays"
