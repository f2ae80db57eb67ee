"""A repeated write under the same Idempotency-Key: one effect, one answer, whoever dies or races."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_office import ISSUER, ORIGIN, PASSWORD, USER, OpenOffice, check_problem, licence, open_office, settings_in
from httpx import Response

from api.errors import ProblemError
from api.http.in_flight import InFlight
from registry.work import REGISTRY


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("office"))) as office:
        yield office


@pytest.fixture
def logged_in(office: OpenOffice) -> Iterator[OpenOffice]:
    assert office.client.post("/api/v1/sessions", json={"username": "admin", "password": PASSWORD}).status_code == 201
    yield office
    office.client.cookies.clear()


DEPARTMENT = {"code": "52310105MJ9T00029N", "name": "长宁示例服务社", "short_name": "示例社", "level": "unit"}


def test_a_repeated_write_gets_the_first_answer_and_is_not_done_again(office: OpenOffice) -> None:
    headers = {"Idempotency-Key": "repetition-0001"}
    body = licence(1001)
    first = office.send("POST", "/api/v1/certificates", "registrar", json=body, headers=headers)
    again = office.send("POST", "/api/v1/certificates", "registrar", json=body, headers=headers)
    assert (first.status_code, first.json()["duplicate"]) == (202, False)
    assert (again.status_code, again.json()) == (202, first.json())
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"


def test_the_same_key_with_another_body_or_operation_is_refused(office: OpenOffice) -> None:
    headers = {"Idempotency-Key": "repetition-0002"}
    assert office.send("POST", "/api/v1/certificates", "registrar", json=licence(1002), headers=headers).is_success
    other = office.send("POST", "/api/v1/certificates", "registrar", json=licence(1003), headers=headers)
    check_problem(other, 422, "idempotency_key_reused")
    elsewhere = office.send("POST", "/api/v1/authorisations", "registrar", json=licence(1002), headers=headers)
    assert elsewhere.status_code == 422


def test_the_same_key_of_another_caller_is_another_key(office: OpenOffice) -> None:
    headers = {"Idempotency-Key": "repetition-0003"}
    for department in (ISSUER, USER):
        venue = {
            "name": "示例体育馆",
            "address": "长宁区示例路 2 号",
            "responsible": "91310105MA1FWT014B",
            "rule": {
                "hours": [{"days": [1], "from": "08:00", "to": "22:00"}],
                "admit": {"types": [], "pass": True},
                "anti_passback_seconds": 60,
            },
        }
        made = office.send("POST", "/api/v1/venues", "venue", department, json=venue, headers=headers)
        assert (made.status_code, made.json()["department"]) == (201, department)


def test_a_system_must_send_a_key_and_a_person_need_not(office: OpenOffice, logged_in: OpenOffice) -> None:
    token = office.tokens["administrator", ISSUER]
    client = office.client
    bare = {"Authorization": f"Bearer {token}"}
    check_problem(client.post("/api/v1/departments", json=DEPARTMENT, headers=bare), 400, "idempotency_key_missing")
    assert logged_in.client.post("/api/v1/departments", json=DEPARTMENT, headers={"Origin": ORIGIN}).status_code == 201


@pytest.mark.parametrize("bad", ["short", "x" * 129, "with a space in it"])
def test_a_malformed_key_is_refused(office: OpenOffice, bad: str) -> None:
    answer = office.send("POST", "/api/v1/departments", json=DEPARTMENT, headers={"Idempotency-Key": bad})
    check_problem(answer, 422, "invalid_draft")


def test_a_refused_write_leaves_its_key_free(office: OpenOffice) -> None:
    headers = {"Idempotency-Key": "repetition-0004"}
    wrong = licence(1004, valid_to="20200101")
    check_problem(
        office.send("POST", "/api/v1/certificates", "registrar", json=wrong, headers=headers), 422, "invalid_draft"
    )
    assert office.send("POST", "/api/v1/certificates", "registrar", json=licence(1004), headers=headers).is_success


def test_what_is_shown_once_is_not_stored_with_the_key(office: OpenOffice) -> None:
    body = {"username": "shownonce", "name": "示例丁", "roles": ["auditor"]}
    headers = {"Idempotency-Key": "repetition-0005"}
    first = office.send("POST", "/api/v1/accounts", json=body, headers=headers)
    again = office.send("POST", "/api/v1/accounts", json=body, headers=headers)
    assert first.json()["one_time_password"]
    assert again.json() == {**first.json(), "one_time_password": None}
    with office.services.engine.connect() as connection:
        stored = str(connection.exec_driver_sql("SELECT body FROM idempotency_keys").all())
    assert first.json()["one_time_password"] not in stored


def test_a_refused_use_is_recorded_and_repeated_like_any_answer(office: OpenOffice) -> None:
    made = office.send("POST", "/api/v1/certificates", "registrar", json=licence(1005)).json()
    body = {
        "item_id": made["id"],
        "matter_code": "NOWHERE-1",
        "case_no": "2026-1",
        "purpose": "办理示例事项",
        "authorisation_id": "0" * 26,
        "operator": "W001",
        "device": "D001",
    }
    headers = {"Idempotency-Key": "repetition-0006"}
    first = office.send("POST", "/api/v1/uses", "window", USER, json=body, headers=headers)
    again = office.send("POST", "/api/v1/uses", "window", USER, json=body, headers=headers)
    check_problem(first, 409, "matter_unknown")
    assert again.status_code == 409 and again.headers["idempotency-replayed"] == "true"
    assert again.json()["evidence"] == first.json()["evidence"]
    from registry.uses.service import refusals_of

    with office.services.registry.read(REGISTRY) as work:
        assert len(refusals_of(work, made["id"])) == 1


def test_a_key_whose_first_request_is_still_at_work_is_told_so() -> None:
    in_flight = InFlight()
    with in_flight.hold("token:1", "k"):
        with pytest.raises(ProblemError) as refused, in_flight.hold("token:1", "k"):
            pass
        assert (refused.value.status_code, refused.value.reason) == (409, "idempotency_key_in_use")
        with in_flight.hold("token:2", "k"):
            pass
    with in_flight.hold("token:1", "k"):
        pass


def test_one_of_many_simultaneous_repetitions_does_the_work(database_url: str, tmp_path: Path) -> None:
    headers = {"Idempotency-Key": "repetition-0007"}
    answers: list[Response] = []
    with open_office(settings_in(tmp_path, database_url=database_url)) as office:

        def send() -> None:
            answer = office.send("POST", "/api/v1/certificates", "registrar", json=licence(1007), headers=headers)
            answers.append(answer)

        threads = [threading.Thread(target=send) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = office.send(
            "POST", "/api/v1/certificates/number-search", "auditor",
            json={"number": licence(1007)["certificate_number"]},
        )  # fmt: skip
        assert len(found.json()["items"]) == 1
        unstorable = office.send("POST", "/api/v1/certificates/number-search", "auditor", json={"number": "\0"})
        assert unstorable.status_code in (200, 422)
    assert {answer.status_code for answer in answers} <= {202, 409}
    done = [answer for answer in answers if answer.status_code == 202]
    assert len({answer.json()["id"] for answer in done}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in done) == 1
    assert all(answer.json()["reason"] == "idempotency_key_in_use" for answer in answers if answer.status_code == 409)
