"""Use cases of accounts: staff, log-in, sessions."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update

from registry import upserts
from registry.accounts import control, rules
from registry.accounts.tables import Staff, StaffSession
from registry.departments import service as departments
from registry.errors import AuthenticationError, DuplicateError, FieldError, InvalidDraftError, NotFoundError
from registry.ids import new_id_text
from registry.work import REGISTRY, Actor, Registry, Work

FIRST_ADMINISTRATOR = "admin"


@dataclass(frozen=True, slots=True)
class NewStaff:
    """An account and, where one was made, the password to hand over once."""

    staff: Staff
    one_time_password: str | None


@dataclass(frozen=True, slots=True)
class Login:
    """A session: `secret` goes into the cookie and is stored nowhere."""

    secret: str
    staff: Staff
    actor: Actor
    expires_at: datetime


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
        "password_hash": rules.hash_password(password or made or ""), "roles": sorted(roles), "failures": 0,
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
    """A new one-time password; lifts a lock and ends the sessions. Raises NotFoundError."""
    staff = get_staff(work, staff_id)
    password = rules.new_password(work.draw)
    staff.password_hash = rules.hash_password(password)
    staff.must_change_password, staff.failures, staff.locked_until_at = True, 0, None
    work.session.execute(delete(StaffSession).where(StaffSession.staff_id == staff_id))
    work.session.flush()
    return password


def change_password(work: Work, staff_id: str, old: str, new: str) -> None:
    """Replace one's own password and end all other sessions.

    Raises AuthenticationError (the old one is wrong; counted like a failed log-in), InvalidDraftError (the new one is
    weak).
    """
    staff = get_staff(work, staff_id)
    _check_open(staff, work.at)
    if not rules.is_password(staff.password_hash, old):
        _charge(work, staff_id)
        raise AuthenticationError("wrong_credentials", "原口令不正确。")
    errors = rules.check_password(new, staff.username)
    if new == old:
        errors.append(FieldError("password", "not_changed", "新口令不能与原口令相同。"))
    if errors:
        raise InvalidDraftError(errors)
    staff.password_hash, staff.must_change_password = rules.hash_password(new), False
    work.session.execute(delete(StaffSession).where(StaffSession.staff_id == staff_id))
    work.session.flush()


def log_in(registry: Registry, username: str, password: str) -> Login:
    """A new session for the right password.

    Takes the registry and not a unit of work: the password is hashed between two short transactions, so that log-ins
    never hold the database. The attempt is charged before the password is looked at, so that guessing in parallel wins
    nothing. Raises AuthenticationError: wrong_credentials, account_locked, account_disabled.
    """
    # (1) Charge the attempt, in a transaction of its own.
    with registry.begin(REGISTRY) as work:
        staff = work.session.scalars(select(Staff).where(Staff.username == username).with_for_update()).first()
        if staff is not None:
            _check_open(staff, work.at)
            _charge(work, staff.id)
    # (2) Look at the password, outside any transaction.
    if not rules.is_password(staff.password_hash if staff else None, password) or staff is None:
        raise AuthenticationError("wrong_credentials", "用户名或口令不正确。")
    # (3) Give the charge back and open the session.
    with registry.begin(REGISTRY) as work:
        return _open_session(work, staff.id)


def _open_session(work: Work, staff_id: str) -> Login:
    staff = get_staff(work, staff_id)
    if staff.disabled_at is not None:
        raise _disabled()
    staff.failures, staff.locked_until_at = 0, None
    secret, expires_at = rules.new_secret(work.draw), work.at + rules.SESSION_LASTS
    work.session.add(
        StaffSession(
            secret_sha256=rules.secret_digest(secret), staff_id=staff.id, created_at=work.at, expires_at=expires_at
        )
    )
    work.session.execute(delete(StaffSession).where(StaffSession.expires_at <= work.at))
    work.session.flush()
    return Login(secret, staff, actor_of(staff), expires_at)


def log_out(work: Work, secret: str) -> None:
    """End the session of this secret; nothing happens if there is none."""
    work.session.execute(delete(StaffSession).where(StaffSession.secret_sha256 == rules.secret_digest(secret)))


def find_session(work: Work, secret: str) -> tuple[Staff, Actor] | None:
    """Whose session this is, if it is in force and the account is open. Only reads."""
    digest = rules.secret_digest(secret)
    session = work.session.get(StaffSession, digest)
    if session is None or not hmac.compare_digest(session.secret_sha256, digest) or session.expires_at <= work.at:
        return None
    staff = get_staff(work, session.staff_id)
    return None if staff.disabled_at is not None else (staff, actor_of(staff))


def actor_of(staff: Staff) -> Actor:
    """The account as an actor; its id says nothing about the person."""
    return Actor(f"staff:{staff.id}", "staff", staff.department, frozenset(staff.roles))


def _check_open(staff: Staff, at: datetime) -> None:
    if staff.disabled_at is not None:
        raise _disabled()
    if staff.locked_until_at is not None and at < staff.locked_until_at:
        until = staff.locked_until_at.isoformat()
        raise AuthenticationError(
            "account_locked", "口令连续输错次数过多，账号已暂时锁定，请稍后再试。", {"locked_until_at": until}
        )


def _charge(work: Work, staff_id: str) -> None:
    counted = update(Staff).where(Staff.id == staff_id).values(failures=Staff.failures + 1).returning(Staff.failures)
    failures = work.session.execute(counted).scalar_one()
    lock = rules.lock_after(failures, work.at)
    if lock is not None:
        work.session.execute(update(Staff).where(Staff.id == staff_id).values(locked_until_at=lock))


def _disabled() -> AuthenticationError:
    return AuthenticationError("account_disabled", "账号已停用，请联系管理员。")
