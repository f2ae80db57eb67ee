"""Guessing passwords costs the guesser time, and nobody else: by place, by browser and by account."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from api_office import ORIGIN, OpenOffice, open_office, settings_in
from registry_house import CARE, House
from sqlalchemy import func, select

from api.http.limits import RateLimit
from registry.accounts import rules, tries
from registry.accounts import service as accounts
from registry.accounts.service import Login
from registry.accounts.tables import KnownBrowser, LoginTries
from registry.accounts.tries import Place
from registry.errors import AuthenticationError, InvalidDraftError, LoginDelayedError

pytest_plugins = ("registry_fixtures",)

PASSWORD = "Sui-zheng-2026"
HOME, STRANGER = Place("192.0.2.1"), Place("198.51.100.7")


def clerk(house: House, username: str = "clerk") -> str:
    return str(house.do(accounts.create_staff, username, "随证员", ["window"], CARE, PASSWORD).staff.id)


def enter(house: House, place: Place = HOME, username: str = "clerk", password: str = PASSWORD) -> Login:
    return accounts.log_in(house.registry, username, password, place)


def attempt(house: House, password: str, place: Place = HOME, username: str = "clerk") -> str:
    try:
        enter(house, place, username, password)
    except AuthenticationError as refused:
        return refused.reason
    return "in"


def guess(house: House, times: int, place: Place = STRANGER, username: str = "clerk") -> list[str]:
    return [attempt(house, "wrong", place, username) for _ in range(times)]


def charge(house: House, times: int, place: Place = STRANGER, username: str = "clerk") -> None:
    """Wrong passwords without the work of comparing them; those that have to wait are not counted."""
    for _ in range(times):
        with suppress(LoginDelayedError), house.work() as work:
            tries.charge(work, username, accounts.find_staff(work, username), place)


def waiting(act: Callable[[], object]) -> int:
    with pytest.raises(LoginDelayedError) as refused:
        act()
    return refused.value.wait_seconds


def guess_from_everywhere(house: House, times: int) -> None:
    """Wrong passwords from as many addresses."""
    for number in range(times):
        charge(house, 1, Place(f"203.0.113.{number}"))


# Rules.


def test_a_place_waits_twice_as_long_after_each_wrong_password_up_to_an_hour() -> None:
    waits = [rules.wait_after(failures).total_seconds() for failures in range(16)]
    assert waits == [0] * 5 + [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]


def test_newcomers_wait_longer_as_the_account_comes_to_a_hundred_wrong_passwords() -> None:
    waits = [rules.wait_of_newcomers(failures).total_seconds() for failures in (0, 49, 50, 59, 60, 100, 120, 10_000)]
    assert waits == [0, 0, 30, 30, 60, 960, 3600, 3600]


# Places.


def test_wrong_passwords_make_their_place_wait_and_no_other(house: House) -> None:
    clerk(house)
    clerk(house, "other")
    assert guess(house, 7) == ["wrong_credentials"] * 5 + ["login_delayed"] * 2
    assert attempt(house, PASSWORD, STRANGER) == "login_delayed"
    # The person at their own desk, and the same stranger at another account, are not kept from anything.
    assert attempt(house, PASSWORD, HOME) == "in"
    assert attempt(house, PASSWORD, STRANGER, "other") == "in"
    house.clock.pass_by(seconds=31)
    assert guess(house, 2) == ["wrong_credentials", "login_delayed"]
    house.clock.pass_by(seconds=31)
    assert waiting(lambda: enter(house, STRANGER)) in (28, 29)
    house.clock.pass_by(seconds=30)
    assert attempt(house, PASSWORD, STRANGER) == "in"
    # The right one clears what was wrong before; a day clears it too.
    assert guess(house, 6) == ["wrong_credentials"] * 5 + ["login_delayed"]
    house.clock.pass_by(days=1)
    assert guess(house, 6) == ["wrong_credentials"] * 5 + ["login_delayed"]


def test_a_try_that_has_to_wait_costs_nothing_and_says_until_when(sqlite_house: House) -> None:
    house = sqlite_house
    clerk(house)
    charge(house, 5)
    first = waiting(lambda: enter(house, STRANGER))
    assert first in (29, 30) and waiting(lambda: enter(house, STRANGER)) in (29, 30)
    house.clock.pass_by(seconds=31)
    assert attempt(house, PASSWORD, STRANGER) == "in"


def test_guessing_in_parallel_wins_no_tries(house: House) -> None:
    clerk(house)
    tried: list[str] = []
    threads = [threading.Thread(target=lambda: tried.extend(guess(house, 1))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(tried) == ["login_delayed"] * 7 + ["wrong_credentials"] * 5


# All places together.


def test_many_places_together_slow_newcomers_and_nobody_takes_anybodys_turn(sqlite_house: House) -> None:
    house = sqlite_house
    clerk(house)
    desk = enter(house, HOME)
    guess_from_everywhere(house, 50)
    assert house.see(tries.guessed_at, ["clerk", "other"]) == {"clerk"}
    newcomer = Place("192.0.2.99")
    wait_seconds = waiting(lambda: enter(house, newcomer))
    assert 0 < wait_seconds <= 30
    house.clock.pass_by(seconds=wait_seconds)
    # Others go on guessing meanwhile; whoever waited may try.
    guess_from_everywhere(house, 50)
    assert attempt(house, PASSWORD, newcomer) == "in"
    # Whoever logged in from there today, and a browser that the account knows, are no newcomers.
    assert attempt(house, PASSWORD, newcomer) == "in"
    assert attempt(house, PASSWORD, Place("192.0.2.100", desk.browser)) == "in"
    house.clock.pass_by(days=1)
    assert house.see(tries.guessed_at, ["clerk"]) == set()
    assert attempt(house, PASSWORD, Place("192.0.2.101")) == "in"


def test_a_name_that_nobody_has_is_slowed_down_like_any_other(house: House) -> None:
    clerk(house)
    for username in ("clerk", "nobody"):
        assert guess(house, 6, username=username) == ["wrong_credentials"] * 5 + ["login_delayed"]
    assert guess(house, 7, username="No Such Form") == ["wrong_credentials"] * 7


def test_made_up_names_fill_a_bounded_number_of_rows(sqlite_house: House) -> None:
    house = sqlite_house
    with house.work() as work:
        for number in range(300):
            tries.charge(work, f"made-up-{number}", None, STRANGER)
        names = set(work.session.scalars(select(LoginTries.name)))
    assert len(names) > 100 and max(names) < (2**20).to_bytes(3, "big")


def test_a_disabled_account_says_so_to_whoever_knows_its_password_alone(house: House) -> None:
    house.do(accounts.disable_staff, clerk(house))
    assert guess(house, 1) == ["wrong_credentials"] and attempt(house, PASSWORD) == "account_disabled"


# Browsers.


def test_a_browser_that_the_account_knows_has_tries_of_its_own(house: House) -> None:
    clerk(house)
    known = Place(STRANGER.address, enter(house).browser)
    charge(house, 6)
    assert attempt(house, PASSWORD, STRANGER) == "login_delayed"
    again = enter(house, known)
    # Its own wrong passwords count, and count against it alone.
    desk = Place(HOME.address, again.browser)
    assert guess(house, 6, desk) == ["wrong_credentials"] * 5 + ["login_delayed"]
    assert attempt(house, PASSWORD, HOME) == "in"
    # The secret of before is worth nothing: every log-in draws a new one.
    assert attempt(house, PASSWORD, known) == "login_delayed"


def test_one_browser_is_known_to_everybody_who_works_at_it(sqlite_house: House) -> None:
    house = sqlite_house
    clerk(house)
    clerk(house, "other")
    first = enter(house)
    second = enter(house, Place(HOME.address, first.browser), "other")
    for username in ("clerk", "other"):
        charge(house, 6, username=username)
    shared = Place(STRANGER.address, second.browser)
    third = enter(house, shared)
    assert attempt(house, PASSWORD, Place(STRANGER.address, third.browser), "other") == "in"


def test_a_planted_browser_cookie_lets_nobody_in_faster(sqlite_house: House) -> None:
    house = sqlite_house
    clerk(house)
    clerk(house, "thief")
    planted = enter(house, STRANGER, "thief").browser
    enter(house, Place(HOME.address, planted))
    charge(house, 6)
    assert attempt(house, PASSWORD, Place(STRANGER.address, planted)) == "login_delayed"
    assert attempt(house, PASSWORD, Place(STRANGER.address, "x" * 43)) == "login_delayed"


def test_an_account_knows_a_number_of_browsers_and_none_for_ever(sqlite_house: House) -> None:
    house = sqlite_house
    staff_id = clerk(house)
    oldest = enter(house).browser
    for _ in range(rules.MAX_BROWSERS):
        enter(house)
    count = select(func.count()).where(KnownBrowser.staff_id == staff_id)
    assert house.see(lambda work: work.session.scalar(count)) == rules.MAX_BROWSERS
    charge(house, 6, Place(STRANGER.address, oldest))
    assert attempt(house, PASSWORD, STRANGER) == "login_delayed"
    newest = enter(house).browser
    house.clock.pass_by(days=180)
    charge(house, 6, Place(STRANGER.address, newest))
    assert attempt(house, PASSWORD, STRANGER) == "login_delayed"
    house.do(tries.forget_old)
    assert house.see(lambda work: work.session.scalar(count)) == 0


# One's own password.


def test_changing_the_password_needs_the_old_one_and_wrong_ones_cost_time_there_alone(house: House) -> None:
    staff_id = clerk(house)
    for wrong in ("short1A-", "alllowercaseletters", "Clerk-is-my-name-1", "x" * 129, PASSWORD):
        with pytest.raises(InvalidDraftError) as refused:
            accounts.change_password(house.registry, staff_id, PASSWORD, wrong)
        assert {error.field for error in refused.value.errors} == {"new_password"}
    for _ in range(5):
        with pytest.raises(AuthenticationError, match="wrong_credentials"):
            accounts.change_password(house.registry, staff_id, "wrong", "Another-one-2026")
    assert waiting(lambda: accounts.change_password(house.registry, staff_id, PASSWORD, "Another-one-2026")) <= 30
    # Whoever sits at somebody's open session keeps nobody from logging in.
    assert attempt(house, PASSWORD) == "in"
    house.clock.pass_by(seconds=31)
    before = enter(house)
    login = accounts.change_password(house.registry, staff_id, PASSWORD, "Another-one-2026")
    assert house.see(accounts.find_session, before.secret) is None
    assert house.see(accounts.find_session, login.secret) is not None
    charge(house, 6)
    assert attempt(house, "Another-one-2026", Place(STRANGER.address, before.browser)) == "login_delayed"
    assert attempt(house, "Another-one-2026", Place(STRANGER.address, login.browser)) == "in"


def test_a_new_password_lets_who_had_to_wait_try_again(house: House) -> None:
    staff_id = clerk(house)
    charge(house, 6)
    password = house.do(accounts.reset_password, staff_id)
    assert attempt(house, PASSWORD, STRANGER) == "wrong_credentials"
    assert attempt(house, password, STRANGER) == "in"


class Meanwhile(str):
    """A password; when it is compared, something else happens first."""

    act: Callable[[], object]

    def __getitem__(self, key: object) -> str:
        self.act()
        return str(self)


def test_a_password_that_was_replaced_while_it_was_compared_opens_nothing(house: House) -> None:
    staff_id = clerk(house)
    password = Meanwhile(PASSWORD)
    password.act = lambda: house.do(accounts.reset_password, staff_id)
    assert attempt(house, password) == "wrong_credentials"
    password.act = lambda: None
    clerk(house, "other")
    assert attempt(house, password, username="other") == "in"


# Over HTTP.


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("office"))) as office:
        yield office


def newcomer(office: OpenOffice, username: str) -> str:
    sent = {"username": username, "name": "示例丙", "roles": ["auditor"]}
    return str(office.send("POST", "/api/v1/accounts", json=sent).json()["one_time_password"])


def test_a_refusal_says_when_to_come_back_and_a_known_browser_is_let_in(office: OpenOffice) -> None:
    password, client = newcomer(office, "forgetful"), office.client
    assert client.post("/api/v1/sessions", json={"username": "forgetful", "password": password}).status_code == 201
    cookie = client.cookies["suizheng_browser"]
    client.cookies.clear()
    answers = [
        client.post("/api/v1/sessions", json={"username": "forgetful", "password": wrong})
        for wrong in ["wrong"] * 5 + [password]
    ]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    delayed = answers[-1]
    assert delayed.json()["reason"] == "login_delayed" and 0 < int(delayed.headers["Retry-After"]) <= 30
    page = client.post(
        "/login", data={"username": "forgetful", "password": password},
        headers={"Accept": "text/html", "Origin": ORIGIN},
    )  # fmt: skip
    assert page.status_code == 429 and "秒后再试" in page.text
    known = {"Cookie": f"suizheng_browser={cookie}"}
    entered = client.post("/api/v1/sessions", json={"username": "forgetful", "password": password}, headers=known)
    assert entered.status_code == 201
    client.cookies.clear()


def test_both_cookies_are_out_of_the_reach_of_scripts_and_a_log_out_leaves_the_browser_known(
    office: OpenOffice,
) -> None:
    password, client = newcomer(office, "careful"), office.client
    answer = client.post("/api/v1/sessions", json={"username": "careful", "password": password})
    cookies = dict(line.split("=", 1) for line in answer.headers.get_list("set-cookie"))
    assert set(cookies) == {"suizheng_session", "suizheng_browser"}
    assert all("HttpOnly" in line and "SameSite=strict" in line and "Path=/" in line for line in cookies.values())
    left = client.delete("/api/v1/sessions", headers={"Origin": ORIGIN})
    assert "suizheng_session=" in left.headers["set-cookie"] and "suizheng_browser" not in left.headers["set-cookie"]
    client.cookies.clear()


def test_a_session_guesses_no_more_passwords_a_minute_than_nobody_does(
    office: OpenOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    standing_still = replace(office.services, logins=RateLimit(60, 2, lambda: 0.0))
    monkeypatch.setattr(office.client.app.state, "services", standing_still)  # type: ignore[attr-defined]
    wrong = {"username": "somebody", "password": "wrong"}
    answers = [office.client.post("/api/v1/sessions", json=wrong, headers=office.as_role("auditor")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert answers[2].json()["reason"] == "too_many_requests"


def test_what_is_kept_of_tries_names_nobody_and_no_address(sqlite_house: House) -> None:
    house = sqlite_house
    clerk(house)
    enter(house, HOME)
    charge(house, 1)
    with house.work() as work:
        kept = [bytes(part) for row in work.session.scalars(select(LoginTries)) for part in (row.name, row.place)]
    assert len(kept) == 6
    assert not any(b"clerk" in part or b"192.0.2" in part or b"198.51" in part for part in kept)
