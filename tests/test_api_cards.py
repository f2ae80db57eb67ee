"""Printed codes and relatives over HTTP: the whole way, and what no answer or address may say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from api_office import ISSUER, PERSON, USER, OpenOffice, open_office, reason, settings_in

RELATIVE = "310105199003071236"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("cards"))) as office:
        yield office


def person(number: str) -> dict[str, str]:
    return {"holder_code_type_code": "111", "holder_code": number}


def claim(office: OpenOffice, department: str = ISSUER, **more: Any) -> Any:
    body = {"kind": "printed", **person(PERSON), **more}
    return office.send("POST", "/api/v1/codes", "window", department, json=body)


def state_of(office: OpenOffice, text: str) -> tuple[str, str]:
    verdict = office.client.post("/api/v1/verifications", json={"text": text}).json()
    return verdict["state"], verdict["reason"]


def test_a_bound_relative_claims_and_a_loss_by_number_ends_it_at_once(office: OpenOffice) -> None:
    assert reason(claim(office, relative=person(RELATIVE)), 403) == "relative_not_bound"
    body = {"holder": person(PERSON), "relative": person(RELATIVE), "relation": "child", "document": "户口簿 1 号"}
    bound = office.send("POST", "/api/v1/relatives", "window", json=body)
    assert bound.status_code == 201 and RELATIVE not in bound.text and PERSON not in bound.text
    first = claim(office, relative=person(RELATIVE)).json()
    assert (first["kind"], first["name"]) == ("printed", None)
    assert state_of(office, first["text"]) == ("valid", "ok")
    second = claim(office, USER, relative=person(RELATIVE)).json()
    assert state_of(office, first["text"]) == ("not_in_force", "status_superseded")
    lost = office.send("POST", "/api/v1/codes/losses", "window", json=person(PERSON))
    assert lost.json()["id"] == second["id"]
    assert state_of(office, second["text"]) == ("not_in_force", "status_lost")
    found = office.send("POST", "/api/v1/relatives/search", "window", json=person(PERSON)).json()["items"]
    assert [one["id"] for one in found] == [bound.json()["id"]]
    office.send("DELETE", f"/api/v1/relatives/{bound.json()['id']}", "window")
    assert office.send("POST", "/api/v1/relatives/search", "window", json=person(PERSON)).json()["items"] == []


def test_a_printed_code_asks_for_the_bearer_and_is_not_reissued(office: OpenOffice) -> None:
    code = claim(office).json()
    verdict = office.client.post("/api/v1/verifications", json={"text": code["text"]}).json()
    assert verdict["subject"]["second_factor_due"] is True
    assert [one["reason"] for one in verdict["checks"] if one["check"] == "holder"] == ["second_factor_due"]
    assert reason(office.send("POST", f"/api/v1/codes/{code['id']}/reissue", "window"), 409) == "claim_again"
