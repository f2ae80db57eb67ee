"""What every request meets round its operation: problems, headers, sizes, other sites, rates, repetitions."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_office import ORIGIN, PASSWORD, OpenOffice, check_problem, open_office, settings_in

from api.access import OPERATIONS
from api.http.limits import MAX_ADDRESSES, RateLimit, source_of
from api.http.rim import CONTENT_SECURITY_POLICY
from registry.work import Registry


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("office"))) as office:
        yield office


# Problems


def test_whatever_goes_wrong_is_a_problem(office: OpenOffice) -> None:
    check_problem(office.client.get("/api/v1/nowhere"), 404, "not_found")
    check_problem(office.client.get("/nowhere"), 404, "not_found")
    check_problem(office.client.put("/api/v1/types"), 405, "method_not_allowed")
    check_problem(office.send("POST", "/api/v1/departments", content=b"a=1"), 415, "unsupported_media_type")
    broken = office.send(
        "POST", "/api/v1/departments", content=b"{not json", headers={"Content-Type": "application/json"}
    )
    check_problem(broken, 400, "not_json")
    check_problem(office.send("GET", "/api/v1/types/unknown"), 404, "type_unknown")


def test_every_broken_field_is_named_at_once(office: OpenOffice) -> None:
    answer = office.send("POST", "/api/v1/departments", json={"code": 7, "level": "planet", "colour": "red"})
    problem = check_problem(answer, 422, "invalid_request")
    assert {fault["field"] for fault in problem["errors"]} == {"code", "name", "short_name", "level", "colour"}
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in fault["message"]) for fault in problem["errors"])


def test_an_unforeseen_error_shows_a_number_and_nothing_else(
    office: OpenOffice, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken, caplog.at_level(logging.ERROR, "suizheng.errors"):
        broken.setattr(Registry, "read", _explode)
        answer = office.client.get("/api/v1/status")
    problem = check_problem(answer, 500, "internal_error")
    assert "secret" not in answer.text and "Traceback" not in answer.text
    number = answer.headers["x-request-id"]
    assert number in problem["detail"]
    assert number in caplog.text and "secret detail of the database" in caplog.text


def test_an_unforeseen_error_answers_a_browser_with_a_page(office: OpenOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Registry, "read", _explode)
        answer = office.client.get("/api/v1/status", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 500 and answer.headers["content-type"].startswith("text/html")
    assert answer.headers["x-request-id"] in answer.text and "secret" not in answer.text


def _explode(*_: object) -> None:
    raise RuntimeError("secret detail of the database")


# Headers and log


@pytest.mark.parametrize("path", ["/api/v1/status", "/api/v1/nowhere", "/healthz", "/static/none.css", "/api/v1/types"])
def test_every_answer_carries_the_security_headers(office: OpenOffice, path: str) -> None:
    headers = office.client.get(path).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY and "http" not in CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-request-id"]
    assert "strict-transport-security" not in headers


def test_what_may_be_about_somebody_is_never_kept_by_a_browser(office: OpenOffice) -> None:
    assert office.send("GET", "/api/v1/departments").headers["cache-control"] == "no-store"


def test_the_access_log_holds_no_path_no_query_and_nobody(office: OpenOffice, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "suizheng.access"):
        office.send("GET", "/api/v1/certificates?identifier=1.2.156.05000000&cursor=zzz", "window")
        office.send("GET", "/api/v1/types/11310105MB9T00011M003")
    lines = [record.getMessage() for record in caplog.records if record.name == "suizheng.access"]
    assert len(lines) == 2
    assert "GET /api/v1/certificates -> 200" in lines[0]
    assert "GET /api/v1/types/{code} -> 200" in lines[1]
    assert not any("0500000" in line or "cursor" in line or "MB9T00011M003" in line for line in lines)


def test_over_https_the_cookie_and_the_browser_are_told_to_stay_there(tmp_path: Path) -> None:
    from fastapi.testclient import TestClient

    from api.app import create_app
    from api.composition import compose

    services = compose(settings_in(tmp_path, public_url="https://suizheng.example"))
    with TestClient(create_app(services), base_url="https://suizheng.example") as client:
        entry = {"username": "admin", "password": services.first_password}
        answer = client.post("/api/v1/sessions", json=entry)
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-suizheng_session=")
        assert all(part in cookie for part in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"))
        assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(office: OpenOffice) -> None:
    answer = office.client.post("/api/v1/sessions", json={"username": "admin", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    office.client.cookies.clear()
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert "secret" not in answer.json()


# Sizes


def test_a_body_over_the_limit_is_refused_by_its_announced_size(office: OpenOffice) -> None:
    limit = OPERATIONS["POST /api/v1/departments"].limit_bytes
    within = b'{"code": "' + b"1" * (limit - 12) + b'"}'
    kind = {"Content-Type": "application/json"}
    assert len(within) == limit
    check_problem(office.send("POST", "/api/v1/departments", content=within, headers=kind), 422, "invalid_request")
    check_problem(office.send("POST", "/api/v1/departments", content=within + b" ", headers=kind), 413, "too_large")


def test_a_body_without_an_announced_size_is_cut_off_at_the_limit(office: OpenOffice) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(80):
            yield b" " * 1024

    headers = {"Content-Type": "application/json"}
    check_problem(office.send("POST", "/api/v1/departments", content=chunks(), headers=headers), 413, "too_large")


def test_whoever_may_not_call_learns_it_before_the_body_is_read(office: OpenOffice) -> None:
    def never() -> Iterator[bytes]:
        yield b"{"
        raise AssertionError("the body was read")

    answer = office.client.post("/api/v1/departments", content=never(), headers={"Content-Type": "application/json"})
    check_problem(answer, 401, "not_authenticated")


# Other sites


@pytest.fixture
def logged_in(office: OpenOffice) -> Iterator[OpenOffice]:
    assert office.client.post("/api/v1/sessions", json={"username": "admin", "password": PASSWORD}).status_code == 201
    yield office
    office.client.cookies.clear()


DEPARTMENT = {"code": "52310105MJ9T00029N", "name": "长宁示例服务社", "short_name": "示例社", "level": "unit"}


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "same-site", "Origin": ORIGIN}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Origin": ORIGIN}, True),
        ({"Origin": "http://127.0.0.1:9999"}, False),
        ({"Origin": "https://elsewhere.example"}, False),
        ({"Origin": "null"}, False),
        ({}, False),
    ],
)
def test_a_write_by_cookie_must_come_from_our_own_pages(
    logged_in: OpenOffice, headers: dict[str, str], passes: bool
) -> None:
    answer = logged_in.client.post("/api/v1/departments", json=DEPARTMENT, headers=headers)
    if passes:
        assert answer.status_code == 201
    else:
        check_problem(answer, 403, "cross_site_write")


def test_reading_by_cookie_needs_no_origin(logged_in: OpenOffice) -> None:
    assert logged_in.client.get("/api/v1/departments").status_code == 200


def test_a_log_in_sent_by_another_site_is_refused(office: OpenOffice) -> None:
    entry = {"username": "admin", "password": PASSWORD}
    answer = office.client.post("/api/v1/sessions", json=entry, headers={"Sec-Fetch-Site": "cross-site"})
    check_problem(answer, 403, "cross_site_write")
    assert "set-cookie" not in answer.headers


# Rates


class Seconds:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    seconds = Seconds()
    limit = RateLimit(60, 5, seconds)
    assert [limit.take("192.0.2.1") for _ in range(5)] == [0.0] * 5
    assert limit.take("192.0.2.1") == pytest.approx(1.0)
    assert limit.take("192.0.2.2") == 0.0
    seconds.now = 1.0
    assert limit.take("192.0.2.1") == 0.0
    assert limit.take("192.0.2.1") > 0


def test_buckets_stay_within_their_memory() -> None:
    limit = RateLimit(60, 5, Seconds())
    for number in range(MAX_ADDRESSES + 100):
        limit.take(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(limit) == MAX_ADDRESSES


def test_an_ipv6_subscriber_is_one_source() -> None:
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff:1") != source_of("2001:db8:0:1::1")
    assert source_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert source_of("no address") == "unknown"


def test_verification_and_log_in_are_limited_for_anonymous_callers_alone(tmp_path: Path) -> None:
    with open_office(settings_in(tmp_path, verifications_per_minute=8, logins_per_minute=8)) as office:
        asked = [office.client.post("/api/v1/verifications", json={"text": "SZ1:"}) for _ in range(3)]
        assert [answer.status_code for answer in asked] == [200, 200, 429]
        check_problem(asked[-1], 429, "too_many_requests")
        assert int(asked[-1].headers["retry-after"]) >= 1
        entry = {"username": "nobody", "password": "wrong"}
        tried = [office.client.post("/api/v1/sessions", json=entry).status_code for _ in range(3)]
        assert 429 in tried
        known = [office.send("POST", "/api/v1/verifications", "window", json={"text": "SZ1:"}) for _ in range(5)]
        assert {answer.status_code for answer in known} == {200}
