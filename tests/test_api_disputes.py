"""Disputes over HTTP: each step by whom it is due from, beside whom it is refused, with its day on the calendar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from api_office import ISSUER, USER, OpenOffice, licence, open_office, settings_in

from registry.calendar import service as calendars
from registry.disputes import rules
from registry.work import REGISTRY
from verifier.times import shanghai_day

WRONG = {"statement": "住所应为虹桥路 1000 号 5 层。", "for_holder": True}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("office"))) as opened:
        yield opened


def raised(office: OpenOffice, number: int) -> dict[str, Any]:
    made = office.send("POST", "/api/v1/certificates", "registrar", json=licence(number)).json()
    answer = office.send("POST", f"/api/v1/certificates/{made['id']}/disputes", "window", USER, json=WRONG)
    assert answer.status_code == 201, answer.text
    dispute: dict[str, Any] = answer.json()
    return dispute


def due_in(office: OpenOffice, state: str) -> str:
    with office.services.registry.read(REGISTRY) as work:
        today: date = shanghai_day(work.at)
        return rules.due_on(calendars.calendar(work), state, today).isoformat()


def test_a_dispute_is_raised_accepted_corrected_and_closed(office: OpenOffice) -> None:
    dispute = raised(office, 1)
    path = f"/api/v1/disputes/{dispute['id']}"
    assert (dispute["state"], dispute["state_name"], dispute["issuer"], dispute["raised_by"]) == (
        "raised", "已提出", ISSUER, USER,
    )  # fmt: skip
    assert dispute["due_on"] == due_in(office, "raised") and dispute["overdue"] is False
    again = office.send(
        "POST", f"/api/v1/certificates/{dispute['certificate_id']}/disputes", "registrar", json={"statement": "同上"}
    )
    assert (again.status_code, again.json()["reason"]) == (409, "dispute_open")
    # Only the issuer answers, and a window takes none of its steps.
    assert office.send("POST", f"{path}/accept", "registrar", USER, json={}).json()["reason"] == "not_the_issuer"
    assert office.send("POST", f"{path}/accept", "window", json={}).status_code == 403
    accepted = office.send("POST", f"{path}/accept", "registrar", json={"holds": True}).json()
    assert (accepted["state"], accepted["holds"], accepted["due_on"]) == ("accepted", True, due_in(office, "accepted"))
    decision = {"decision": "corrected", "outcome": "已撤销并重新登记。"}
    early = office.send("POST", f"{path}/decision", "registrar", json=decision)
    assert (early.status_code, early.json()["reason"]) == (409, "not_corrected_yet")
    change = {"operation": "cancel", "reason": "登记有误。"}
    status = f"/api/v1/certificates/{dispute['certificate_id']}/status"
    assert office.send("POST", status, "registrar", json=change).status_code == 200
    corrected = office.send("POST", f"{path}/decision", "registrar", json=decision).json()
    assert (corrected["state"], corrected["outcome"], corrected["holds"]) == ("corrected", decision["outcome"], False)
    assert office.send("POST", f"{path}/closing", "registrar").json()["reason"] == "not_who_raised_it"
    closed = office.send("POST", f"{path}/closing", "window", USER).json()
    assert (closed["state"], closed["due_on"]) == ("closed", None) and closed["closed_at"]
    late = office.send("POST", f"{path}/accept", "registrar", json={})
    assert late.status_code == 409


def test_a_dispute_without_ground_is_rejected_with_words(office: OpenOffice) -> None:
    path = f"/api/v1/disputes/{raised(office, 2)['id']}"
    silent = office.send("POST", f"{path}/decision", "registrar", json={"decision": "rejected", "outcome": " "})
    assert (silent.status_code, silent.json()["errors"][0]["field"]) == (422, "outcome")
    wrong = office.send("POST", f"{path}/decision", "registrar", json={"decision": "maybe", "outcome": "x"})
    assert wrong.status_code == 422
    done = office.send("POST", f"{path}/decision", "registrar", json={"decision": "rejected", "outcome": "登记无误。"})
    assert done.json()["state"] == "rejected"


def test_who_sees_which(office: OpenOffice) -> None:
    dispute = raised(office, 3)
    for role, department in (("window", USER), ("registrar", ISSUER), ("auditor", USER)):
        items = office.send("GET", "/api/v1/disputes", role, department).json()["items"]
        assert dispute["id"] in [one["id"] for one in items]
    assert office.send("GET", f"/api/v1/disputes/{dispute['id']}", "auditor").json()["statement"] == WRONG["statement"]
    assert office.send("GET", "/api/v1/disputes/01JDXXXXXXXXXXXXXXXXXXXXXX", "window").status_code == 404
    assert office.send("GET", "/api/v1/disputes", "venue").status_code == 403
    empty = office.send(
        "POST", f"/api/v1/certificates/{dispute['certificate_id']}/disputes", "window", json={"statement": ""}
    )
    assert (empty.status_code, empty.json()["errors"][0]["field"]) == (422, "statement")


def test_the_list_is_paged(office: OpenOffice) -> None:
    wanted = {raised(office, number)["id"] for number in (4, 5, 6)}
    found: list[str] = []
    path = "/api/v1/disputes?limit=2"
    answer = office.send("GET", path, "window", USER).json()
    while True:
        assert len(answer["items"]) <= 2
        found += [one["id"] for one in answer["items"]]
        if answer["next_cursor"] is None:
            break
        answer = office.send("GET", f"{path}&cursor={answer['next_cursor']}", "window", USER).json()
    assert len(found) == len(set(found)) and wanted <= set(found)
    wrong = office.send("GET", f"{path}&cursor=01", "window", USER)
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "cursor")
    assert office.send("GET", "/api/v1/disputes?limit=201", "window", USER).status_code == 422
