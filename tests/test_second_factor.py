"""A second factor at log-in: codes hold once, wrong ones cost what wrong passwords cost, and nothing goes round it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from registry_house import CARE, NOON, House
from sqlalchemy import select

from registry.accounts import service as accounts
from registry.accounts.tables import StaffSession
from registry.accounts.tries import Place
from registry.errors import (
    AuthenticationError,
    FileKeyError,
    NotPermittedError,
    SecondFactorNeededError,
    TransitionError,
)
from registry.factors import rules, sealing
from registry.factors import service as factors
from registry.factors.tables import HalfSession, RecoveryCode, SecondFactor
from registry.files.masters import FileMasters, Masters

pytest_plugins = ("registry_fixtures",)

PASSWORD = "Sui-zheng-2026"
HOME, STRANGER = Place("192.0.2.1"), Place("198.51.100.7")
#: RFC 6238 appendix B, SHA-1: the seed, and times with their codes, of which ours are the last six digits.
SEED = b"12345678901234567890"
VECTORS = {
    59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037",
    20000000000: "65353130",
}  # fmt: skip


class Desk:
    """A clerk of a house, with an authenticator app in hand."""

    def __init__(self, house: House, folder: Path, username: str = "clerk", roles: Sequence[str] = ("window",)) -> None:
        (folder / "keys").mkdir(exist_ok=True, mode=0o700)
        self.house, self.username = house, username
        self.masters = Masters(house.engine, FileMasters(folder / "keys"))
        self.masters.prepare(NOON)
        department = CARE if "window" in roles else None
        made = house.do(accounts.create_staff, username, "随证员", list(roles), department, PASSWORD)
        self.id, self.secret = str(made.staff.id), b""
        self.recovery_codes: Sequence[str] = ()

    def enrol(self, code: str = "") -> accounts.Login:
        begun = factors.begin_enrolment(self.house.registry, self.masters, self.id, PASSWORD, code)
        enrolled = factors.confirm_enrolment(
            self.house.registry, self.masters, self.id, rules.code_of(begun.secret, self.step), HOME
        )
        self.secret, self.recovery_codes = begun.secret, enrolled.recovery_codes
        return enrolled.login

    @property
    def step(self) -> int:
        return rules.step_at(self.house.clock.at)

    def code(self, later: int = 0) -> str:
        return rules.code_of(self.secret, self.step + later)

    def wrong(self) -> str:
        """Six digits that are no code of now."""
        near = {self.code(later) for later in range(-2, 3)}
        return next(code for code in map("{:06d}".format, range(9)) if code not in near)

    def next_code(self) -> str:
        self.house.clock.pass_by(seconds=2 * rules.STEP_SECONDS)
        return self.code()

    def half(self, place: Place = HOME) -> str:
        with pytest.raises(SecondFactorNeededError) as needed:
            accounts.log_in(self.house.registry, self.username, PASSWORD, place)
        return needed.value.half_session

    def enter(self, code: str, half: str | None = None, place: Place = HOME) -> accounts.Login:
        return factors.enter_code(self.house.registry, self.masters, half or self.half(place), code, place)

    def attempt(self, code: str, half: str | None = None, place: Place = HOME) -> str:
        return refusal(lambda: self.enter(code, half, place))

    def events(self) -> list[str]:
        return [one.what for one in self.house.see(factors.standing, self.id).events]


def refusal(act: Callable[[], object]) -> str:
    try:
        act()
    except (AuthenticationError, TransitionError, NotPermittedError) as refused:
        return refused.reason
    return "in"


def together(acts: Sequence[Callable[[], object]]) -> list[str]:
    """What becomes of each, all at the same time."""
    done: list[str] = []
    threads = [threading.Thread(target=lambda act=act: done.append(refusal(act))) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


@pytest.fixture
def desk(house: House, tmp_path: Path) -> Desk:
    return Desk(house, tmp_path)


@pytest.fixture
def lite(sqlite_house: House, tmp_path: Path) -> Desk:
    return Desk(sqlite_house, tmp_path)


# Rules.


@pytest.mark.parametrize(("seconds", "code"), VECTORS.items())
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    assert rules.code_of(SEED, rules.step_at(at)) == code[-6:]
    assert rules.step_of(SEED, code[-6:], at, after=-1) == seconds // 30
    # RFC 6238 section 5.2: a code that was taken is not taken again.
    assert rules.step_of(SEED, code[-6:], at, after=seconds // 30) is None


def test_a_clock_may_be_one_step_off_and_no_more() -> None:
    step = rules.step_at(NOON)
    found = [rules.step_of(SEED, rules.code_of(SEED, step + off), NOON, after=-1) for off in range(-3, 4)]
    assert found == [None, None, step - 1, step, step + 1, None, None]


@pytest.mark.parametrize("typed", ["123 456", " 123456\n", "123-456", "１２３４５６", "123\u3000456"])
def test_a_code_is_taken_as_people_type_it(typed: str) -> None:
    assert rules.normalised(typed) == "123456" and rules.is_app_code(rules.normalised(typed))


def test_the_address_for_apps_names_whose_it_is_and_how_codes_are_made() -> None:
    uri = rules.key_uri(SEED, "wang.li")
    assert uri == (
        "otpauth://totp/%E9%9A%8F%E8%AF%81:wang.li?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        "&issuer=%E9%9A%8F%E8%AF%81&algorithm=SHA1&digits=6&period=30"
    )
    assert rules.secret_text(SEED) == "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"


def test_who_is_asked() -> None:
    asked = {one: [rules.is_asked_of(one, roles) for roles in (["administrator", "auditor"], ["window"])]
             for one in rules.ASKED}  # fmt: skip
    assert asked == {"none": [False, False], "administrators": [True, False], "all": [True, True]}


# Logging in.


def test_a_log_in_takes_the_password_and_then_a_code(desk: Desk) -> None:
    before = accounts.log_in(desk.house.registry, "clerk", PASSWORD, HOME)
    desk.enrol()
    # Whoever was logged in with the password alone is not any more.
    assert desk.house.see(accounts.find_session, before.secret) is None
    half = desk.half()
    login = desk.enter(desk.next_code(), half)
    found = desk.house.see(accounts.find_session, login.secret)
    assert found is not None and found.staff.username == "clerk" and not found.must_enrol
    assert desk.attempt(desk.next_code(), half) == "half_session_over"


def test_a_half_session_opens_nothing_and_ends_soon_or_with_the_password(desk: Desk) -> None:
    desk.enrol()
    half = desk.half()
    assert desk.house.see(accounts.find_session, half) is None
    # Nor is a session a half one.
    login = desk.enter(desk.next_code(), half)
    assert desk.attempt(desk.next_code(), login.secret) == "half_session_over"
    late = desk.half()
    desk.house.clock.pass_by(minutes=5)
    assert desk.attempt(desk.code(), late) == "half_session_over"
    replaced = desk.half()
    desk.house.do(accounts.reset_password, desk.id)
    assert desk.attempt(desk.next_code(), replaced) == "half_session_over"
    assert desk.attempt(desk.code(), "x" * 43) == "half_session_over"


def test_a_half_session_of_an_account_that_was_shut_out_since_opens_nothing(lite: Desk) -> None:
    lite.enrol()
    half = lite.half()
    lite.house.do(accounts.disable_staff, lite.id)
    assert lite.attempt(lite.next_code(), half) == "account_disabled"


def test_each_log_in_draws_its_own_secrets(lite: Desk) -> None:
    lite.enrol()
    halves = [lite.half(), lite.half()]
    logins = [lite.enter(lite.next_code(), half) for half in halves]
    assert len({*halves, *(login.secret for login in logins)}) == 4


def test_a_code_is_not_taken_twice_nor_an_older_one_after_it(desk: Desk) -> None:
    login = desk.enrol()
    assert desk.house.see(accounts.find_session, login.secret) is not None
    # The one that confirmed the enrolment is used up.
    assert desk.attempt(desk.code()) == "factor_code_wrong"
    code, older = desk.next_code(), desk.code(-1)
    assert desk.attempt(code) == "in"
    half = desk.half()
    assert [desk.attempt(code, half), desk.attempt(older, half)] == ["factor_code_wrong"] * 2
    assert desk.attempt(desk.code(1), half) == "in"


def test_codes_of_another_account_and_of_the_app_before_are_wrong(desk: Desk, tmp_path: Path) -> None:
    desk.enrol()
    other = Desk(desk.house, tmp_path, "other")
    other.enrol()
    half = desk.half()
    assert desk.attempt(other.next_code(), half) == "factor_code_wrong"
    assert desk.attempt(other.recovery_codes[0], half) == "factor_code_wrong"
    before, old = desk.secret, desk.recovery_codes
    desk.enrol(desk.code(1))
    desk.house.clock.pass_by(seconds=60)
    assert desk.attempt(rules.code_of(before, desk.step), half) == "factor_code_wrong"
    assert desk.attempt(old[0], half) == "factor_code_wrong"
    assert desk.attempt(desk.next_code(), half) == "in"
    assert desk.events() == ["replaced", "enrolled"]


def test_a_recovery_code_holds_once_in_place_of_the_app(desk: Desk) -> None:
    desk.enrol()
    first, second = desk.recovery_codes[:2]
    assert len(set(desk.recovery_codes)) == 10
    assert desk.attempt(first.lower().replace("-", " ")) == "in"
    assert desk.attempt(first) == "factor_code_wrong"
    assert desk.attempt(second) == "in"
    assert desk.house.see(factors.standing, desk.id).recovery_codes == 8
    assert desk.events() == ["recovery_used", "recovery_used", "enrolled"]
    renewed = factors.renew_recovery_codes(desk.house.registry, desk.masters, desk.id, PASSWORD, desk.next_code())
    assert desk.attempt(desk.recovery_codes[2]) == "factor_code_wrong"
    assert desk.attempt(renewed[0]) == "in"


@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_of_many_requests_with_one_code_one_is_let_in(desk: Desk, kind: str) -> None:
    desk.enrol()
    # Of different browsers: nobody waits for a place.
    halves = [desk.half(Place(f"203.0.113.{number}")) for number in range(6)]
    code = desk.next_code() if kind == "app" else desk.recovery_codes[0]
    tried = together(
        [lambda half=half, n=n: desk.enter(code, half, Place(f"203.0.113.{n}")) for n, half in enumerate(halves)]
    )
    assert sorted(tried) == ["factor_code_wrong"] * 5 + ["in"]


def test_of_requests_with_one_half_session_one_is_let_in(desk: Desk) -> None:
    desk.enrol()
    half = desk.half()
    codes = [desk.next_code(), desk.recovery_codes[0], desk.recovery_codes[1]]
    tried = together([lambda code=code: desk.enter(code, half) for code in codes])
    assert sorted(tried) == ["half_session_over", "half_session_over", "in"]
    # What came too late has used nothing up.
    assert desk.house.see(factors.standing, desk.id).recovery_codes >= 9


# Guessing.


def test_wrong_codes_slow_down_as_wrong_passwords_do_and_the_password_gives_nothing_back(desk: Desk) -> None:
    desk.enrol()
    # Password and code are one of the five tries; saying the password again wins none.
    half = desk.half(STRANGER)
    assert [desk.attempt(desk.wrong(), half, STRANGER) for _ in range(3)] == ["factor_code_wrong"] * 3
    half = desk.half(STRANGER)
    assert [desk.attempt(desk.wrong(), half, STRANGER) for _ in range(3)] == ["factor_code_wrong"] * 2 + [
        "login_delayed"
    ]
    # The right one, which the app would show in a moment, is not looked at either, nor is the right password.
    assert desk.attempt(desk.code(1), half, STRANGER) == "login_delayed"
    with pytest.raises(AuthenticationError, match="login_delayed"):
        accounts.log_in(desk.house.registry, "clerk", PASSWORD, STRANGER)
    # Nobody else waits.
    assert desk.attempt(desk.code(1)) == "in"


def test_who_had_to_wait_gets_in_with_the_right_ones_and_begins_anew(desk: Desk) -> None:
    desk.enrol()
    for wrong in range(12):
        half = desk.half(STRANGER)
        assert desk.attempt(desk.wrong(), half, STRANGER) == "factor_code_wrong", wrong
        desk.house.clock.pass_by(hours=1)
    # The wait after so many is longer than a half session lasts.
    half = desk.half(STRANGER)
    assert desk.attempt(desk.next_code(), half, STRANGER) == "in"
    half = desk.half(STRANGER)
    assert [desk.attempt(desk.wrong(), half, STRANGER) for _ in range(6)] == ["factor_code_wrong"] * 5 + [
        "login_delayed"
    ]


def test_who_is_slowed_down_does_not_learn_whether_the_password_was_right(desk: Desk) -> None:
    desk.enrol()

    def tell(password: str) -> str:
        return refusal(lambda: accounts.log_in(desk.house.registry, "clerk", password, STRANGER))

    assert [tell("wrong") for _ in range(5)] == ["wrong_credentials"] * 5
    assert tell("wrong") == tell(PASSWORD) == "login_delayed"


def test_guessing_codes_in_parallel_wins_no_tries(desk: Desk) -> None:
    desk.enrol()
    half = desk.half(STRANGER)
    tried = together([lambda: desk.enter(desk.wrong(), half, STRANGER)] * 12)
    assert sorted(tried) == ["factor_code_wrong"] * 5 + ["login_delayed"] * 7


# Setting up and turning off.


def test_an_app_is_set_up_only_with_the_password_and_a_right_code_in_time(desk: Desk) -> None:
    registry, masters = desk.house.registry, desk.masters
    assert refusal(lambda: factors.begin_enrolment(registry, masters, desk.id, "wrong")) == "wrong_credentials"
    assert refusal(lambda: factors.confirm_enrolment(registry, masters, desk.id, "12345")) == "enrolment_over"
    begun = factors.begin_enrolment(registry, masters, desk.id, PASSWORD)
    shown = desk.house.see(factors.shown_enrolment, masters, desk.id)
    assert shown is not None and shown.secret == begun.secret and len(begun.secret) == 20
    assert refusal(lambda: factors.confirm_enrolment(registry, masters, desk.id, "12345")) == "factor_code_wrong"
    # Nothing is asked for before it holds.
    accounts.log_in(registry, "clerk", PASSWORD, HOME)
    desk.house.clock.pass_by(minutes=15)
    code = rules.code_of(begun.secret, desk.step)
    assert refusal(lambda: factors.confirm_enrolment(registry, masters, desk.id, code)) == "enrolment_over"
    assert desk.house.see(factors.shown_enrolment, masters, desk.id) is None
    desk.enrol()
    code = desk.next_code()
    assert refusal(lambda: factors.confirm_enrolment(registry, masters, desk.id, code)) == "enrolment_over"


def test_replacing_ending_and_renewing_need_the_password_and_a_code(desk: Desk) -> None:
    desk.enrol()
    registry, masters = desk.house.registry, desk.masters
    wishes: list[Callable[[str, str], object]] = [
        lambda password, code: factors.begin_enrolment(registry, masters, desk.id, password, code),
        lambda password, code: factors.renew_recovery_codes(registry, masters, desk.id, password, code),
        lambda password, code: factors.end(registry, masters, desk.id, password, code),
    ]
    for wish in wishes:
        code = desk.next_code()
        assert refusal(lambda wish=wish, code=code: wish("wrong", code)) == "wrong_credentials"
        assert refusal(lambda wish=wish: wish(PASSWORD, "")) == "factor_code_wrong"
        assert refusal(lambda wish=wish, code=code: wish(PASSWORD, code)) == "in"
    assert desk.events() == ["ended", "codes_renewed", "enrolled"]
    accounts.log_in(registry, "clerk", PASSWORD, HOME)
    assert refusal(lambda: factors.end(registry, masters, desk.id, PASSWORD, "12345")) == "no_second_factor"
    assert desk.house.see(lambda work: work.session.scalars(select(RecoveryCode)).all()) == []


def test_taking_it_off_for_a_lost_phone_ends_sessions_and_half_ones(desk: Desk) -> None:
    login = desk.enrol()
    half, code = desk.half(), desk.next_code()
    desk.house.do(factors.remove, desk.id)
    assert desk.house.see(accounts.find_session, login.secret) is None
    assert desk.attempt(code, half) == "half_session_over"
    accounts.log_in(desk.house.registry, "clerk", PASSWORD, HOME)
    assert desk.events() == ["removed", "enrolled"]
    with pytest.raises(TransitionError, match="no_second_factor"):
        desk.house.do(factors.remove, desk.id)


def test_who_is_asked_and_has_none_gets_a_session_for_setting_one_up(desk: Desk, tmp_path: Path) -> None:
    boss = Desk(desk.house, tmp_path, "boss", ["administrator"])

    def must(login: accounts.Login) -> bool:
        found = desk.house.see(accounts.find_session, login.secret)
        assert found is not None
        return bool(found.must_enrol)

    registry = desk.house.registry
    assert must(accounts.log_in(registry, "boss", PASSWORD, HOME, "administrators"))
    assert not must(accounts.log_in(registry, "clerk", PASSWORD, HOME, "administrators"))
    assert must(accounts.change_password(registry, desk.id, PASSWORD, "Another-1-word", HOME, "all"))
    assert not must(boss.enrol())
    assert not must(boss.enter(boss.next_code()))
    end = lambda: factors.end(registry, boss.masters, boss.id, PASSWORD, boss.next_code(), "all")  # noqa: E731
    assert refusal(end) == "second_factor_asked"
    # The code is not lost for it: nothing was written.
    assert boss.house.see(factors.standing, boss.id).since_at is not None


# At rest.


def test_the_database_alone_tells_no_secret(desk: Desk) -> None:
    desk.enrol()
    half = desk.half()

    def rows(work: factors.Work) -> list[bytes]:
        held = [work.session.get_one(SecondFactor, desk.id).sealed]
        held += work.session.scalars(select(RecoveryCode.code_hash)).all()
        held += work.session.scalars(select(HalfSession.secret_sha256)).all()
        return held + list(work.session.scalars(select(StaffSession.secret_sha256)).all())

    stored = b"".join(desk.house.see(rows))
    wanted = [desk.secret, half.encode(), *(code.replace("-", "").encode() for code in desk.recovery_codes)]
    assert not [one for one in wanted if one in stored]


def test_a_secret_is_bound_to_its_account_and_its_master_key(lite: Desk, tmp_path: Path) -> None:
    lite.enrol()
    sealed = lite.house.see(lambda work: work.session.get_one(SecondFactor, lite.id).sealed)
    with pytest.raises(FileKeyError):
        sealing.unseal(lite.masters, "another account", sealed)
    with pytest.raises(FileKeyError):
        sealing.unseal(lite.masters, lite.id, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    lite.masters.rotate(lite.house.clock())
    assert lite.attempt(lite.next_code()) == "in"
    assert list(sealing.rewrap(lite.house.registry, lite.masters)) == [None]
    assert list(sealing.rewrap(lite.house.registry, lite.masters)) == []
    for path in (tmp_path / "keys").glob("files-*.key"):
        if lite.masters.current().hex() not in path.name:
            path.unlink()
    fresh = Masters(lite.house.engine, FileMasters(tmp_path / "keys"))
    lite.masters = fresh
    assert lite.attempt(lite.next_code()) == "in"
