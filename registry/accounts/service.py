"""Use cases of accounts: staff, log-in, sessions."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from registry import upserts
from registry.accounts import control, rules, tries
from registry.accounts.tables import Staff, StaffSession
from registry.accounts.tries import Place
from registry.departments import service as departments
from registry.errors import (
    AuthenticationError,
    DuplicateError,
    FieldError,
    InvalidDraftError,
    NotFoundError,
    TransitionError,
)
from registry.factors import halves
from registry.factors.rules import Asked, is_asked_of
from registry.ids import new_id_text
from registry.work import REGISTRY, Actor, Registry, Work

FIRST_ADMINISTRATOR = "admin"
NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class NewStaff:
    """An account and, where one was made, the password to hand over once."""

    staff: Staff
    one_time_password: str | None


@dataclass(frozen=True, slots=True)
class Login:
    """A session. `secret` goes into its cookie, `browser` into one that outlives it; neither is stored."""

    secret: str
    browser: str
    staff: Staff
    actor: Actor
    expires_at: datetime
    must_enrol: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Whose session it is. must_enrol: it is for setting a second factor up, and for nothing else."""

    staff: Staff
    actor: Actor
    must_enrol: bool


def create_first_administrator(work: Work) -> str | None:
    """The one-time password of the account `admin`, or None if there is any account already."""
    if work.session.scalars(select(Staff.id).limit(1)).first() is not None:
        return None
    return create_staff(work, FIRST_ADMINISTRATOR, "系统管理员", ["administrator"], None).one_time_password


def create_staff(
    work: Work, username: str, name: str, roles: list[str], department: str | None, password: str | None = None
) -> NewStaff:
    """A new account; without a password one is made, which must be changed at the first log-in.

    Raises InvalidDraftError, NotFoundError (department), DuplicateError (the user name is taken).
    """
    errors = rules.check_staff(username, name, roles, department)
    if password is not None:
        errors += rules.check_password(password, username)
    if errors:
        raise InvalidDraftError(errors)
    if department is not None:
        departments.get(work, department)
    made = rules.new_password(work.draw) if password is None else None
    values = {
        "id": new_id_text(work.at, work.draw), "username": username, "name": name.strip(), "department": department,
        "password_hash": rules.hash_password(password or made or ""), "roles": sorted(roles),
        "must_change_password": password is None, "created_at": work.at,
    }  # fmt: skip
    inserted = upserts.insert_or_ignore(work.session, Staff).returning(Staff.id)
    if not work.session.execute(inserted, [values]).all():
        existing = work.session.scalars(select(Staff.id).where(Staff.username == username)).one()
        raise DuplicateError("username_taken", "该用户名已被使用，请换一个。", existing)
    return NewStaff(get_staff(work, str(values["id"])), made)


def get_staff(work: Work, staff_id: str) -> Staff:
    """The account of this id. Raises NotFoundError."""
    found = work.session.get(Staff, staff_id)
    if found is None:
        raise NotFoundError("account_unknown", "没有这个账号。")
    return found


def find_staff(work: Work, username: str) -> Staff | None:
    """The account with this user name, if there is one."""
    return work.session.scalars(select(Staff).where(Staff.username == username)).first()


def list_staff(work: Work) -> list[Staff]:
    """Every account, by user name."""
    return list(work.session.scalars(select(Staff).order_by(Staff.username)))


def disable_staff(work: Work, staff_id: str) -> Staff:
    """Shut an account and end its sessions. Raises NotFoundError."""
    staff = get_staff(work, staff_id)
    # First: who could have been the second of two does not cease to count by being shut out.
    control.observe(work)
    staff.disabled_at = staff.disabled_at or work.at
    work.session.execute(delete(StaffSession).where(StaffSession.staff_id == staff_id))
    work.session.flush()
    return staff


def reopen_staff(work: Work, staff_id: str, reason: str) -> str:
    """Open an account that was shut, with the roles it had; a new one-time password, for the old one may be known.

    Raises NotFoundError, InvalidDraftError (no reason), TransitionError (it is open).
    """
    staff = get_staff(work, staff_id)
    if not reason.strip():
        raise InvalidDraftError([FieldError("reason", "reason_missing", "请填写恢复的理由，最多 200 个字。")])
    if staff.disabled_at is None:
        raise TransitionError("open", "reopen", "该账号没有停用，不必恢复。", "account_open")
    control.observe(work)
    staff.disabled_at = None
    return reset_password(work, staff_id)


def set_roles(work: Work, staff_id: str, roles: list[str]) -> Staff:
    """Other roles for an account; its sessions end. Raises NotFoundError, InvalidDraftError."""
    staff = get_staff(work, staff_id)
    errors = rules.check_staff(staff.username, staff.name, roles, staff.department)
    if errors:
        raise InvalidDraftError(errors)
    control.observe(work)
    staff.roles = sorted(roles)
    work.session.execute(delete(StaffSession).where(StaffSession.staff_id == staff_id))
    work.session.flush()
    return staff


def reset_password(work: Work, staff_id: str) -> str:
    """A new one-time password; whoever had to wait need not any more, and the sessions end. Raises NotFoundError."""
    staff = get_staff(work, staff_id)
    password = rules.new_password(work.draw)
    staff.password_hash = rules.hash_password(password)
    staff.must_change_password = True
    tries.forget(work, staff)
    work.session.execute(delete(StaffSession).where(StaffSession.staff_id == staff_id))
    work.session.flush()
    return password


def change_password(
    registry: Registry, staff_id: str, old: str, new: str, place: Place = NOWHERE, asked: Asked = "none"
) -> Login:
    """Replace one's own password, end every session and forget every browser; a new session for this one.

    Takes the registry for the reason of `log_in`. Raises AuthenticationError (the old one is wrong, which is counted),
    LoginDelayedError, InvalidDraftError (the new one is weak).
    """
    with registry.begin(REGISTRY) as work:
        staff = get_staff(work, staff_id)
        charged = tries.charge_own(work, staff)
    if not rules.is_password(staff.password_hash, old):
        raise AuthenticationError("wrong_credentials", "原口令不正确。")
    errors = rules.check_password(new, staff.username, "new_password")
    if new == old:
        errors.append(FieldError("new_password", "not_changed", "新口令不能与原口令相同。"))
    if not errors:
        password_hash = rules.hash_password(new)
    with registry.begin(REGISTRY) as work:
        tries.give_back(work, charged)
    if errors:
        raise InvalidDraftError(errors)
    with registry.begin(REGISTRY) as work:
        row = of_that_password(work, staff)
        row.password_hash, row.must_change_password = password_hash, False
        work.session.execute(delete(StaffSession).where(StaffSession.staff_id == staff_id))
        tries.forget(work, row)
        return open_session(work, row, place, asked)


def log_in(registry: Registry, username: str, password: str, place: Place = NOWHERE, asked: Asked = "none") -> Login:
    """A new session for the right password. asked: of whom a second factor is asked.

    Takes the registry and not a unit of work: the password is hashed between two short transactions, so that log-ins
    never hold the database. Raises AuthenticationError: wrong_credentials, account_disabled (told to who knows the
    password alone); SecondFactorNeededError (the try stays counted until the code is right); LoginDelayedError.
    """
    # (1) Charge the try, in a transaction of its own. No account has a name of another form.
    if not rules.is_username(username):
        rules.is_password(None, password)
        raise _wrong()
    with registry.begin(REGISTRY) as work:
        staff = find_staff(work, username)
        charged = tries.charge(work, username, staff, place)
    # (2) Look at the password, outside any transaction.
    if not rules.is_password(staff.password_hash if staff else None, password) or staff is None:
        raise _wrong()
    # (3) Give the charge back and open the session.
    with registry.begin(REGISTRY) as work:
        row = of_that_password(work, staff)
        if halves.has_factor(work, row.id):
            raise halves.begin(work, row)
        tries.give_back(work, charged)
        return open_session(work, row, place, asked)


def of_that_password(work: Work, seen: Staff) -> Staff:
    """The account, whose password is still the one that was looked at; nobody changes it until the transaction ends."""
    staff = work.session.get_one(Staff, seen.id, with_for_update=True)
    if staff.password_hash != seen.password_hash:
        raise _wrong()
    if staff.disabled_at is not None:
        raise AuthenticationError("account_disabled", "账号已停用，请联系管理员。")
    return staff


def _wrong() -> AuthenticationError:
    return AuthenticationError("wrong_credentials", "用户名或口令不正确。")


def open_session(work: Work, staff: Staff, place: Place, asked: Asked = "none") -> Login:
    """A new session, for whoever has proved who they are. If a second factor is asked of the account and it has none,
    the session is for setting one up and nothing else."""
    must_enrol = is_asked_of(asked, staff.roles) and not halves.has_factor(work, staff.id)
    secret, expires_at = rules.new_secret(work.draw), work.at + rules.SESSION_LASTS
    work.session.add(
        StaffSession(
            secret_sha256=rules.secret_digest(secret),
            staff_id=staff.id,
            created_at=work.at,
            expires_at=expires_at,
            must_enrol=must_enrol,
        )
    )
    work.session.execute(delete(StaffSession).where(StaffSession.expires_at <= work.at))
    browser = tries.remember_browser(work, staff, place.browser)
    work.session.flush()
    return Login(secret, browser, staff, actor_of(staff), expires_at, must_enrol)


def log_out(work: Work, secret: str) -> None:
    """End the session of this secret; nothing happens if there is none."""
    work.session.execute(delete(StaffSession).where(StaffSession.secret_sha256 == rules.secret_digest(secret)))


def find_session(work: Work, secret: str) -> Found | None:
    """Whose session this is, if it is in force and the account is open. Only reads."""
    digest = rules.secret_digest(secret)
    session = work.session.get(StaffSession, digest)
    if session is None or not hmac.compare_digest(session.secret_sha256, digest) or session.expires_at <= work.at:
        return None
    staff = get_staff(work, session.staff_id)
    return None if staff.disabled_at is not None else Found(staff, actor_of(staff), session.must_enrol)


def actor_of(staff: Staff) -> Actor:
    """The account as an actor; its id says nothing about the person."""
    return Actor(f"staff:{staff.id}", "staff", staff.department, frozenset(staff.roles))
