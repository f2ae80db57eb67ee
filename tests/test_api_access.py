"""Every operation of the table, called by every role, by nobody, and with tokens that no longer hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from api_office import ISSUER, ORIGIN, PASSWORD, USER, OpenOffice, key, open_office, settings_in
from fastapi import APIRouter

from api.access import ANY, OPERATIONS, PUBLIC, ROLES, Rule, may
from api.app import ROUTERS, AccessError, check_access
from api.composition import compose
from api.http.guard import GuardedRoute
from api.pages.access import PAGE_ACCESS
from api.settings import FileSettings, SettingsError

CASES = [pytest.param(operation, rule, id=operation) for operation, rule in OPERATIONS.items()]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("office"))) as office:
        yield office


def call(office: OpenOffice, operation: str, headers: dict[str, str]) -> tuple[int, str]:
    """Status and reason of an empty request to the operation."""
    method, template = operation.split(" ", 1)
    path = re.sub(r"\{[^}]*\}", "0" * 26, template)
    content = b"{}" if method == "POST" else b""
    answer = office.client.request(
        method, path, headers={"Content-Type": "application/json", **headers}, content=content
    )
    office.client.cookies.clear()
    is_problem = answer.headers.get("content-type", "").startswith("application/problem+json")
    return answer.status_code, answer.json()["reason"] if is_problem else ""


@pytest.mark.parametrize(("operation", "rule"), CASES)
def test_whoever_has_the_role_gets_in_and_nobody_else(office: OpenOffice, operation: str, rule: Rule) -> None:
    for role in sorted(ROLES):
        status, reason = call(office, operation, office.as_role(role))
        if rule.allows(frozenset({role})):
            assert status != 401 or reason == "wrong_credentials", (role, reason)
            assert reason not in ("role_not_allowed", "not_authenticated"), role
        else:
            assert (status, reason) == (403, "role_not_allowed"), role


@pytest.mark.parametrize(("operation", "rule"), CASES)
def test_without_an_account_only_what_is_public_answers(office: OpenOffice, operation: str, rule: Rule) -> None:
    status, reason = call(office, operation, {})
    if rule.is_public:
        assert reason not in ("not_authenticated", "role_not_allowed")
    else:
        assert (status, reason) == (401, "not_authenticated")


@pytest.mark.parametrize(("operation", "rule"), CASES)
def test_a_token_that_does_not_hold_opens_nothing(
    office: OpenOffice, operation: str, rule: Rule, revoked: str, expired: str
) -> None:
    del rule
    for secret, wanted in (
        (revoked, "token_revoked"),
        (expired, "token_expired"),
        ("szt_" + "A" * 43, "token_unknown"),
        ("other", "token_malformed"),
    ):
        assert call(office, operation, {"Authorization": f"Bearer {secret}", **key()}) == (401, wanted)


@pytest.fixture(scope="module")
def revoked(office: OpenOffice) -> str:
    """A token with every role, revoked."""
    return _token(office, "revoked", timedelta(days=1), revoke=True)


@pytest.fixture(scope="module")
def expired(office: OpenOffice) -> str:
    """A token with every role, past its end."""
    secret = _token(office, "expired", timedelta(days=1), revoke=False)
    with office.services.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE api_tokens SET expires_at = '2020-01-01 00:00:00' WHERE name = 'expired'")
    return secret


def test_a_suspended_departments_accounts_open_nothing_but_the_ways_out(office: OpenOffice) -> None:
    suspension, standing = f"/api/v1/departments/{USER}", {"reason": "示例：停用整顿"}
    free = {operation for operation, rule in OPERATIONS.items() if rule.is_public or rule.while_suspended}
    assert office.send("POST", f"{suspension}/suspend", json=standing).status_code in (200, 202)
    for operation, rule in OPERATIONS.items():
        for role in sorted(ROLES - {"administrator"}):
            if rule.allows(frozenset({role})) and rule.roles != ANY:
                _, reason = call(office, operation, office.as_role(role, USER))
                assert (reason == "department_suspended") == (operation not in free), (operation, role, reason)
    # Leaving and what no department owns stay open, and so do the tokens of other departments and of administrators.
    assert call(office, "GET /api/v1/types", office.as_role("window", USER))[0] == 200
    assert call(office, "GET /api/v1/accounts", office.as_role("administrator", USER))[0] == 200
    assert call(office, "GET /api/v1/certificates", office.as_role("window"))[0] == 200
    assert office.send("POST", f"{suspension}/reinstate", json=standing).status_code in (200, 202)
    assert call(office, "GET /api/v1/certificates", office.as_role("window", USER))[0] == 200


def test_a_suspended_department_may_take_out_of_force_and_hand_in_and_no_more() -> None:
    rules = {**OPERATIONS, **PAGE_ACCESS}
    assert {operation for operation, rule in rules.items() if rule.while_suspended} == {
        "POST /api/v1/copies/{copy_id}/revoke", "POST /copies/{copy_id}/revoke",
        "POST /api/v1/codes/{code_id}/loss", "POST /codes/{code_id}/loss",
        "POST /api/v1/codes/losses", "POST /codes/losses",
        "DELETE /api/v1/relatives/{relative_id}", "POST /relatives/{relative_id}/end",
        "POST /api/v1/devices/{device_id}/end", "POST /devices/{device_id}/end",
        "POST /api/v1/delegations/{delegation_id}/revoke", "POST /delegations/{delegation_id}/revoke",
        "DELETE /api/v1/authorisations/{authorisation_id}",
        "POST /api/v1/venues/{venue_id}/visits",
    }  # fmt: skip


def _token(office: OpenOffice, name: str, lasts: timedelta, *, revoke: bool) -> str:
    body = {
        "name": name,
        "department": ISSUER,
        "roles": sorted(ROLES),
        "expires_at": (datetime.now(UTC) + lasts).isoformat(),
    }
    made = office.send("POST", "/api/v1/tokens", json=body).json()
    if revoke:
        assert office.send("DELETE", f"/api/v1/tokens/{made['id']}").status_code == 200
    return str(made["secret"])


def test_a_gates_token_opens_the_handing_in_of_visits_and_what_is_public() -> None:
    rules = {**OPERATIONS, **PAGE_ACCESS}
    gate = {operation for operation, rule in rules.items() if rule.allows(frozenset({"gate"})) and not rule.is_public}
    assert gate == {"POST /api/v1/venues/{venue_id}/visits"}
    assert OPERATIONS["GET /api/v1/trust"].is_public
    # With another role it opens what that opens.
    assert rules["GET /api/v1/types"].allows(frozenset({"gate", "venue"}))


def test_nobody_is_given_the_role_of_a_gate(office: OpenOffice) -> None:
    body = {"username": "gatekeeper", "name": "示例", "department": ISSUER, "roles": ["gate"]}
    answer = office.send("POST", "/api/v1/accounts", "administrator", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["reason"]) == (422, "role_of_tokens")


def test_only_a_handful_of_operations_are_public() -> None:
    public = {operation for operation, rule in OPERATIONS.items() if rule.is_public}
    assert public == {
        "POST /api/v1/sessions",
        "POST /api/v1/sessions/code",
        "POST /api/v1/verifications",
        # Phones: their key signs each request, and a ticket of a window stands before the first.
        "POST /api/v1/devices",
        "POST /api/v1/devices/code",
        "POST /api/v1/devices/uses",
        "POST /api/v1/devices/delegations",
        "POST /api/v1/devices/delegations/signature",
        "POST /api/v1/devices/extracts",
        "GET /api/v1/components/{code}",
        "POST /api/v1/components/{code}/faults",
        "POST /api/v1/fallbacks",
        "POST /api/v1/posters/{code_id}/sightings",
        "POST /api/v1/posters/{code_id}/reports",
        "GET /api/v1/trust",
        "GET /api/v1/status",
        "GET /healthz",
        "GET /log/{path:path}",
    }


def test_a_route_without_a_row_stops_the_application() -> None:
    router = APIRouter(route_class=GuardedRoute)
    router.get("/forgotten")(lambda: None)
    with pytest.raises(AccessError, match="/forgotten"):
        check_access([*ROUTERS, router], OPERATIONS)


def test_a_row_without_a_route_stops_the_application() -> None:
    with pytest.raises(AccessError, match="/gone"):
        check_access(ROUTERS, {**OPERATIONS, "GET /gone": Rule(PUBLIC)})


def test_a_route_beside_the_door_stops_the_application() -> None:
    router = APIRouter()
    router.get("/beside")(lambda: None)
    with pytest.raises(AccessError, match="/beside"):
        check_access([*ROUTERS, router], {**OPERATIONS, "GET /beside": Rule(PUBLIC)})


def test_a_rule_for_a_role_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="minister"):
        may("minister")


def test_an_account_with_a_one_time_password_may_only_change_it(office: OpenOffice) -> None:
    made = office.send(
        "POST", "/api/v1/accounts", json={"username": "newcomer", "name": "示例乙", "roles": ["auditor"]}
    ).json()
    client = office.client
    entry = {"username": "newcomer", "password": made["one_time_password"]}
    assert client.post("/api/v1/sessions", json=entry).status_code == 201
    refused = client.get("/api/v1/types")
    assert (refused.status_code, refused.json()["reason"]) == (403, "password_change_due")
    assert client.get("/api/v1/sessions").json()["must_change_password"] is True
    change = {"current_password": made["one_time_password"], "new_password": PASSWORD}
    assert client.post("/api/v1/password", json=change, headers={"Origin": ORIGIN}).status_code == 200
    assert client.get("/api/v1/types").status_code == 200
    client.cookies.clear()


def test_an_account_that_was_shut_is_reopened_with_a_reason(office: OpenOffice) -> None:
    body = {"username": "comes-back", "name": "示例丙", "roles": ["auditor"]}
    address = f"/api/v1/accounts/{office.send('POST', '/api/v1/accounts', json=body).json()['id']}"
    assert office.send("DELETE", address).status_code == 200
    bare = office.send("POST", f"{address}/reopen", json={"reason": " "})
    assert (bare.status_code, bare.json()["errors"][0]["field"]) == (422, "reason")
    done = office.send("POST", f"{address}/reopen", json={"reason": "示例：返岗"})
    assert done.status_code == 200 and done.json()["disabled_at"] is None
    entry = {"username": "comes-back", "password": done.json()["one_time_password"]}
    assert office.client.post("/api/v1/sessions", json=entry).status_code == 201
    office.client.cookies.clear()
    again = office.send("POST", f"{address}/reopen", json={"reason": "示例：返岗"})
    assert (again.status_code, again.json()["reason"]) == (409, "account_open")


def test_an_expired_session_is_nobody(office: OpenOffice) -> None:
    client = office.client
    assert client.post("/api/v1/sessions", json={"username": "admin", "password": PASSWORD}).status_code == 201
    assert client.get("/api/v1/types").status_code == 200
    with office.services.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE staff_sessions SET expires_at = '2020-01-01 00:00:00'")
    refused = client.get("/api/v1/types")
    assert (refused.status_code, refused.json()["reason"]) == (401, "not_authenticated")
    client.cookies.clear()


def test_a_log_out_ends_the_session_everywhere(office: OpenOffice) -> None:
    client = office.client
    assert client.post("/api/v1/sessions", json={"username": "admin", "password": PASSWORD}).status_code == 201
    cookie = client.cookies["suizheng_session"]
    assert client.delete("/api/v1/sessions", headers={"Origin": ORIGIN}).status_code == 204
    client.cookies.clear()
    again = client.get("/api/v1/types", headers={"Cookie": f"suizheng_session={cookie}"})
    assert again.status_code == 401


def test_first_start_makes_one_administrator_and_a_second_start_none(tmp_path: Path) -> None:
    first = compose(settings_in(tmp_path))
    first.close()
    second = compose(settings_in(tmp_path))
    second.close()
    assert first.first_password and second.first_password is None


def test_a_start_that_fails_does_not_use_up_the_first_password(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("not a folder")
    with pytest.raises(SettingsError, match="SUIZHENG_FILES"):
        compose(settings_in(tmp_path, files=FileSettings(str(tmp_path / "taken"))))
    services = compose(settings_in(tmp_path))
    services.close()
    assert services.first_password


PAGES = [pytest.param(operation, rule, id=operation) for operation, rule in PAGE_ACCESS.items()]


def visit(office: OpenOffice, operation: str, headers: dict[str, str]) -> tuple[int, str]:
    """Status and where to, of an empty request to a page."""
    method, template = operation.split(" ", 1)
    path = re.sub(r"\{form\}", "svg", template)
    path = re.sub(r"\{[^}]*\}", "0" * 26, path)
    form = {"Content-Type": "application/x-www-form-urlencoded"} if method == "POST" else {}
    answer = office.client.request(
        method, path, headers={"Accept": "text/html", "Origin": ORIGIN, **form, **headers}, follow_redirects=False
    )
    office.client.cookies.clear()
    return answer.status_code, answer.headers.get("location", "")


LOG_INS = ("POST /login", "POST /login/code")


@pytest.mark.parametrize(("operation", "rule"), PAGES)
def test_a_page_shows_itself_to_whoever_has_the_role_and_to_nobody_else(
    office: OpenOffice, operation: str, rule: Rule
) -> None:
    for role in sorted(ROLES):
        status, location = visit(office, operation, office.as_role(role))
        if rule.allows(frozenset({role})):
            assert not location.startswith("/login?"), role
            # An empty log-in is a failed one.
            assert status != 401 or operation in LOG_INS, role
            # A token has neither a password nor a second factor of its own.
            assert status != 403 or operation.endswith("/password") or " /second-factor" in operation, role
        else:
            assert status == 403, role
    status, location = visit(office, operation, {})
    if rule.is_public:
        assert status != 403 and (status != 401 or operation in LOG_INS)
    elif operation.startswith("GET "):
        assert (status, location.partition("?")[0]) == (303, "/login")
    else:
        assert status == 401
