"""The second factor over HTTP: two steps, what each may be used for, and who may take it off."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from api_office import ORIGIN, OpenOffice, open_office, reason, settings_in
from httpx import Response

from api.settings import Settings, SettingsError
from registry.accounts import service as accounts
from registry.errors import NotPermittedError
from registry.factors import rules
from registry.factors import service as factors
from registry.proposals import service as proposals
from registry.work import REGISTRY

PASSWORD = "Example-2026-Factor"
HALF, SESSION = "suizheng_half", "suizheng_session"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("office"))) as office:
        yield office


@pytest.fixture(autouse=True)
def _strangers(office: OpenOffice) -> None:
    office.client.cookies.clear()


@contextmanager
def asking(office: OpenOffice, asked: rules.Asked) -> Iterator[None]:
    state = office.client.app.state  # type: ignore[attr-defined]
    before = state.services
    state.services = replace(before, settings=replace(before.settings, second_factor=asked))
    try:
        yield
    finally:
        state.services = before


def person(office: OpenOffice, username: str, *roles: str) -> str:
    with office.services.registry.begin(REGISTRY) as work:
        made = accounts.create_staff(work, username, "示例丁", list(roles or ("auditor",)), None, PASSWORD)
    return str(made.staff.id)


def post(office: OpenOffice, path: str, **body: Any) -> Response:
    return office.client.post(f"/api/v1{path}", json=body, headers={"Origin": ORIGIN})


def say_password(office: OpenOffice, username: str) -> Response:
    return post(office, "/sessions", username=username, password=PASSWORD)


def code_now(secret: bytes) -> str:
    return rules.code_of(secret, rules.step_at(datetime.now(UTC)))


def next_code(secret: bytes) -> str:
    """Of the step after this one: taken now and for a minute, whatever was taken before."""
    return rules.code_of(secret, rules.step_at(datetime.now(UTC)) + 1)


def with_app(office: OpenOffice, username: str, *roles: str) -> tuple[str, bytes]:
    """An account with an app; the code of the next step holds, also if that has begun meanwhile."""
    staff_id = person(office, username, *roles)
    registry, masters = office.services.registry, office.services.files.masters
    begun = factors.begin_enrolment(registry, masters, staff_id, PASSWORD)
    factors.confirm_enrolment(registry, masters, staff_id, code_now(begun.secret))
    return staff_id, begun.secret


def test_the_password_alone_is_answered_401_and_opens_nothing(office: OpenOffice) -> None:
    _, secret = with_app(office, "halfway")
    answer = say_password(office, "halfway")
    assert reason(answer, 401) == "second_factor_needed"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["instance"].startswith("urn:suizheng:request:")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{HALF}=") and "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert "Max-Age=300" in cookie
    half = office.client.cookies[HALF]
    assert half not in answer.text and SESSION not in office.client.cookies
    assert reason(office.client.get("/api/v1/sessions"), 401) == "not_authenticated"
    # Nor in the place of a session, of a token, or of a known browser.
    for cookies in ({SESSION: half}, {"suizheng_browser": half}):
        office.client.cookies.clear()
        office.client.cookies.update(cookies)
        assert reason(office.client.get("/api/v1/sessions"), 401) == "not_authenticated"
    office.client.cookies.clear()
    bearer = {"Authorization": f"Bearer {half}"}
    assert office.client.get("/api/v1/sessions", headers=bearer).status_code == 401
    assert reason(post(office, "/sessions/code", code=code_now(secret)), 401) == "half_session_over"


def test_a_code_ends_the_half_session_and_opens_a_new_one(office: OpenOffice) -> None:
    _, secret = with_app(office, "bothsteps")
    say_password(office, "bothsteps")
    half = office.client.cookies[HALF]
    assert reason(post(office, "/sessions/code", code="12345"), 401) == "factor_code_wrong"
    code = next_code(secret)
    answer = post(office, "/sessions/code", code=code)
    assert answer.status_code == 201 and answer.json()["account"]["username"] == "bothsteps"
    assert answer.json()["must_enrol"] is False
    assert HALF not in office.client.cookies and office.client.cookies[SESSION] != half
    assert office.client.get("/api/v1/sessions").json()["username"] == "bothsteps"
    office.client.cookies.clear()
    office.client.cookies[HALF] = half
    assert reason(post(office, "/sessions/code", code=next_code(secret)), 401) == "half_session_over"
    say_password(office, "bothsteps")
    assert reason(post(office, "/sessions/code", code=code), 401) == "factor_code_wrong"


def test_a_session_cookie_that_was_planted_before_is_not_the_one_afterwards(office: OpenOffice) -> None:
    _, secret = with_app(office, "planted")
    office.client.cookies[SESSION] = "p" * 43
    say_password(office, "planted")
    office.client.cookies.delete(SESSION)
    assert post(office, "/sessions/code", code=next_code(secret)).status_code == 201
    assert office.client.cookies[SESSION] != "p" * 43


def test_another_site_cannot_send_a_code(office: OpenOffice) -> None:
    _, secret = with_app(office, "ridden")
    say_password(office, "ridden")
    elsewhere = {"Origin": "https://elsewhere.example"}
    sent = office.client.post("/api/v1/sessions/code", json={"code": code_now(secret)}, headers=elsewhere)
    assert reason(sent, 403) == "cross_site_write"


def test_wrong_codes_are_told_when_to_come_back(office: OpenOffice) -> None:
    with_app(office, "slowed")
    say_password(office, "slowed")
    for _ in range(5):
        assert reason(post(office, "/sessions/code", code="12345"), 401) == "factor_code_wrong"
    delayed = post(office, "/sessions/code", code="12345")
    assert reason(delayed, 429) == "login_delayed" and 0 < int(delayed.headers["Retry-After"]) <= 30
    again = say_password(office, "slowed")
    assert reason(again, 429) == "login_delayed"


def test_an_app_is_set_up_and_turned_off_over_the_api(office: OpenOffice) -> None:
    person(office, "selfserved")
    say_password(office, "selfserved")
    first = office.client.cookies[SESSION]
    begun = post(office, "/second-factor", password=PASSWORD).json()
    assert f"secret={begun['secret']}&" in begun["uri"]
    secret = base64.b32decode(begun["secret"])
    done = post(office, "/second-factor/confirm", code=code_now(secret))
    assert done.status_code == 200 and len(done.json()["recovery_codes"]) == 10
    assert office.client.cookies[SESSION] != first
    standing = office.client.get("/api/v1/second-factor").json()
    assert standing["recovery_codes"] == 10 and standing["since_at"] and not standing["asked"]
    assert [one["what"] for one in standing["events"]] == ["enrolled"]
    proof = {"password": PASSWORD, "code": done.json()["recovery_codes"][0]}
    assert len(post(office, "/second-factor/recovery-codes", **proof).json()["recovery_codes"]) == 10
    assert reason(post(office, "/second-factor/end", **proof), 401) == "factor_code_wrong"
    proof["code"] = next_code(secret)
    assert post(office, "/second-factor/end", **proof).status_code == 204
    assert reason(post(office, "/second-factor/end", **proof), 409) == "no_second_factor"
    assert say_password(office, "selfserved").status_code == 201


def test_a_token_has_no_second_factor_and_needs_none(office: OpenOffice) -> None:
    with asking(office, "all"):
        assert reason(office.send("GET", "/api/v1/second-factor"), 403) == "not_an_account"
        assert office.send("GET", "/api/v1/types", "registrar").status_code == 200


def test_who_is_asked_can_do_nothing_else_before(office: OpenOffice) -> None:
    person(office, "mustdo", "administrator")
    person(office, "neednot")
    with asking(office, "administrators"):
        assert say_password(office, "neednot").json()["must_enrol"] is False
        assert say_password(office, "mustdo").json()["must_enrol"] is True
        for path in ("/api/v1/accounts", "/api/v1/departments", "/accounts", "/proposals"):
            answer = office.client.get(path, headers={"Accept": "application/json"})
            assert answer.status_code == 403 and "双重验证" in answer.text, path
        assert office.client.get("/api/v1/sessions").json()["must_enrol"] is True
        secret = base64.b32decode(post(office, "/second-factor", password=PASSWORD).json()["secret"])
        assert post(office, "/second-factor/confirm", code=code_now(secret)).json()["session"]["must_enrol"] is False
        assert office.client.get("/api/v1/accounts").status_code == 200
        proof = {"password": PASSWORD, "code": next_code(secret)}
        assert reason(post(office, "/second-factor/end", **proof), 403) == "second_factor_asked"


def test_what_was_typed_before_the_session_ended_outlives_the_setting_up(office: OpenOffice) -> None:
    person(office, "keepsit")
    carried = {"next": "/", "kept_address": "/certificates/search", "kept.q": "两行\n文字"}
    html = {"Origin": ORIGIN, "Accept": "text/html"}
    with asking(office, "all"):
        entry = {"username": "keepsit", "password": PASSWORD, **carried}
        due = office.client.post("/login", data=entry, headers=html)
        assert "请先设置双重验证" in due.text and "先前填写的内容还在" in due.text
        begun = office.client.post("/second-factor/begin", data={"password": PASSWORD, **carried}, headers=html)
        typed = re.search(r'id="secret">([^<]+)<', begun.text)
        assert typed is not None and 'name="kept.q"' in begun.text
        code = code_now(base64.b32decode(typed[1].replace(" ", "")))
        done = office.client.post("/second-factor/confirm", data={"code": code, **carried}, headers=html)
    assert 'action="/certificates/search"' in done.text and 'name="q" hidden>\n两行\n文字' in done.text


def test_a_session_that_was_open_before_it_was_asked_stays(office: OpenOffice) -> None:
    person(office, "earlier")
    say_password(office, "earlier")
    with asking(office, "all"):
        assert office.client.get("/api/v1/departments").status_code == 200


def test_taking_it_off_another_account_needs_two_administrators_and_never_ones_own(office: OpenOffice) -> None:
    staff_id, _ = with_app(office, "lost")
    first, _ = with_app(office, "firstadmin", "administrator")
    second = person(office, "secondadmin", "administrator")
    path = f"/api/v1/accounts/{staff_id}/second-factor/remove"
    assert office.send("POST", path, "registrar", json={"reason": "手机遗失"}).status_code == 403
    waiting = office.send("POST", path, json={"reason": "手机遗失"})
    assert waiting.status_code == 202 and waiting.json()["action"] == "account.factor"
    registry, keys = office.services.registry, office.services.keys

    def actor(account_id: str) -> Any:
        with registry.read(REGISTRY) as work:
            return accounts.actor_of(accounts.get_staff(work, account_id))

    with pytest.raises(NotPermittedError, match="not_oneself"), registry.begin(actor(first)) as work:
        proposals.change(work, "account.factor", {"account_id": first}, "手机遗失", keys)
    with registry.begin(actor(second)) as work:
        proposals.approve(work, waiting.json()["id"], keys)
    assert say_password(office, "lost").status_code == 201
    nothing = office.send("POST", path, json={"reason": "手机遗失"})
    assert reason(nothing, 409) == "no_second_factor"


# At the server.


def test_the_setting_is_one_of_three() -> None:
    found = [Settings.from_environment({"SUIZHENG_SECOND_FACTOR": one}).second_factor for one in ("", *rules.ASKED)]
    assert found == ["none", "none", "administrators", "all"]
    with pytest.raises(SettingsError, match="SUIZHENG_SECOND_FACTOR"):
        Settings.from_environment({"SUIZHENG_SECOND_FACTOR": "some"})


def test_at_the_server_an_administrator_gets_a_new_password_and_the_factor_comes_off(office: OpenOffice) -> None:
    staff_id, _ = with_app(office, "lockedout", "administrator")
    command = [sys.executable, "-m", "api.cli", "administrator", "lockedout", "--name", "示例", "--reason", "手机遗失"]
    data = str(office.services.settings.data)
    environment = {**os.environ, "SUIZHENG_DATA": data, "SUIZHENG_CHAIN": "none"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=Path.cwd())
    assert done.returncode == 0, done.stderr
    assert "双重验证已解除" in done.stdout
    password = re.search(r"一次性口令：(\S+)", done.stdout)
    assert password is not None
    entered = post(office, "/sessions", username="lockedout", password=password[1])
    assert entered.status_code == 201 and entered.json()["account"]["must_change_password"] is True
    with office.services.registry.read(REGISTRY) as work:
        events = factors.standing(work, staff_id).events
        recorded = [row.action for row in proposals.list_all(work) if row.reason == "手机遗失" and row.state == "alone"]
    assert [(one.what, one.by) for one in events] == [("removed", "registry"), ("enrolled", f"staff:{staff_id}")]
    assert sorted(recorded) == ["account.factor", "account.password"]
