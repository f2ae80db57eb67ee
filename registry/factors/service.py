"""Use cases of the second factor: log in with a code, set one up, renew its recovery codes, end it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select

from registry.accounts import rules as account_rules
from registry.accounts import service as accounts
from registry.accounts import tries
from registry.accounts.service import NOWHERE, Login
from registry.accounts.tables import Staff, StaffSession
from registry.accounts.tries import Charged, Place
from registry.errors import AuthenticationError, NotPermittedError, TransitionError
from registry.factors import halves, rules
from registry.factors.rules import Asked
from registry.factors.sealing import seal, unseal
from registry.factors.tables import FactorEnrolment, FactorEvent, RecoveryCode, SecondFactor
from registry.files.masters import Masters
from registry.ids import new_id_text
from registry.work import REGISTRY, Registry, Work

_EVENTS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Standing:
    """Since when an account has a second factor (None: it has none), unused recovery codes, and what happened last."""

    since_at: datetime | None
    recovery_codes: int
    events: Sequence[FactorEvent]


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A new secret to be put into an app, and until when a code of it may confirm it. It is shown this once."""

    secret: bytes
    username: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The new session, and recovery codes that are shown this once."""

    login: Login
    recovery_codes: Sequence[str]


def standing(work: Work, staff_id: str) -> Standing:
    """How an account's second factor stands."""
    row = work.session.get(SecondFactor, staff_id)
    unused = work.session.scalar(select(func.count()).where(RecoveryCode.staff_id == staff_id)) or 0
    newest = select(FactorEvent).where(FactorEvent.staff_id == staff_id).order_by(FactorEvent.id.desc())
    return Standing(row.since_at if row else None, unused, list(work.session.scalars(newest.limit(_EVENTS_SHOWN))))


def having(work: Work) -> set[str]:
    """The ids of the accounts that have a second factor."""
    return set(work.session.scalars(select(SecondFactor.staff_id)))


def enter_code(registry: Registry, masters: Masters, half: str, text: str, place: Place = NOWHERE) -> Login:
    """The second step of a log-in: a session for a half session and a code of the app, or a recovery code.

    A code holds once. A wrong one counts as a wrong password does: password and code are one try, every further code is
    another, and only the right code gives it back. Raises AuthenticationError (half_session_over, factor_code_wrong,
    account_disabled), LoginDelayedError, FileKeyError.
    """
    with registry.begin(REGISTRY) as work:
        session, staff = halves.found(work, half)
        charging = tries.charge if session.tried else tries.charged_for
        charged = charging(work, staff.username, staff, place)
        session.tried = True
        if not halves.has_factor(work, staff.id):
            # It was removed since: the password alone shall not do in the middle of a log-in with two.
            raise halves.over()
        _take(work, masters, staff.id, text)
        work.session.delete(session)
        tries.give_back(work, charged)
        return accounts.open_session(work, staff, place)


def begin_enrolment(registry: Registry, masters: Masters, staff_id: str, password: str, text: str = "") -> Enrolment:
    """A new secret; nothing changes until a code confirms it. Where there is a second factor, its code is asked for.

    Raises AuthenticationError (wrong_credentials, factor_code_wrong), LoginDelayedError, FileKeyError.
    """
    seen, charged = _password_of(registry, staff_id, password)
    with registry.begin(REGISTRY) as work:
        staff = _proved(work, masters, seen, charged, text)
        secret, expires_at = work.draw(rules.SECRET_BYTES), work.at + rules.ENROLMENT_LASTS
        work.session.merge(
            FactorEnrolment(staff_id=staff.id, sealed=seal(masters, staff.id, secret), expires_at=expires_at)
        )
        work.session.flush()
        return Enrolment(secret, staff.username, expires_at)


def shown_enrolment(work: Work, masters: Masters, staff_id: str) -> Enrolment | None:
    """The enrolment that waits for its code, shown again after a wrong one; None if there is none."""
    row = work.session.get(FactorEnrolment, staff_id)
    if row is None or row.expires_at <= work.at:
        return None
    username = accounts.get_staff(work, staff_id).username
    return Enrolment(unseal(masters, staff_id, row.sealed), username, row.expires_at)


def confirm_enrolment(
    registry: Registry, masters: Masters, staff_id: str, text: str, place: Place = NOWHERE
) -> Enrolled:
    """Let the secret hold from now on, instead of the one before; every session ends, with a new one for this browser.

    Raises TransitionError (enrolment_over), AuthenticationError (factor_code_wrong), LoginDelayedError, FileKeyError.
    """
    with registry.begin(REGISTRY) as work:
        staff = work.session.get_one(Staff, staff_id, with_for_update=True, populate_existing=True)
        enrolment = work.session.get(FactorEnrolment, staff_id, populate_existing=True)
        if enrolment is None or enrolment.expires_at <= work.at:
            message = "设置步骤已超时或已完成，请重新开始设置。"
            raise TransitionError("none", "confirm", message, "enrolment_over")
        charged = tries.charge_own(work, staff)
        secret = unseal(masters, staff_id, enrolment.sealed)
        step = rules.step_of(secret, rules.normalised(text), work.at, after=-1)
        if step is None:
            raise _wrong_code()
        tries.give_back(work, charged)
        replaced = halves.has_factor(work, staff_id)
        work.session.merge(SecondFactor(staff_id=staff_id, sealed=enrolment.sealed, last_step=step, since_at=work.at))
        work.session.delete(enrolment)
        codes = _new_recovery_codes(work, staff_id)
        _record(work, staff_id, "replaced" if replaced else "enrolled", f"staff:{staff_id}")
        work.session.execute(delete(StaffSession).where(StaffSession.staff_id == staff_id))
        return Enrolled(accounts.open_session(work, staff, place), codes)


def renew_recovery_codes(
    registry: Registry, masters: Masters, staff_id: str, password: str, text: str
) -> Sequence[str]:
    """Ten new recovery codes instead of those before. Raises as `end`."""
    seen, charged = _password_of(registry, staff_id, password)
    with registry.begin(REGISTRY) as work:
        _check_has_one(work, staff_id)
        _proved(work, masters, seen, charged, text)
        _record(work, staff_id, "codes_renewed", f"staff:{staff_id}")
        return _new_recovery_codes(work, staff_id)


def end(registry: Registry, masters: Masters, staff_id: str, password: str, text: str, asked: Asked = "none") -> None:
    """Turn one's own second factor off.

    Raises AuthenticationError (wrong_credentials, factor_code_wrong), LoginDelayedError, NotPermittedError
    (second_factor_asked), TransitionError (no_second_factor), FileKeyError.
    """
    seen, charged = _password_of(registry, staff_id, password)
    with registry.begin(REGISTRY) as work:
        _check_has_one(work, staff_id)
        staff = _proved(work, masters, seen, charged, text)
        if rules.is_asked_of(asked, staff.roles):
            message = "本系统要求此类账号使用双重验证，不能关闭；更换手机请办理“更换验证器”。"
            raise NotPermittedError("second_factor_asked", message)
        _delete(work, staff_id)
        _record(work, staff_id, "ended", f"staff:{staff_id}")


def remove(work: Work, staff_id: str) -> Staff:
    """Take the second factor off an account whose phone is lost, and end its sessions.

    Raises NotFoundError, TransitionError (no_second_factor).
    """
    staff = accounts.get_staff(work, staff_id)
    work.session.get_one(Staff, staff_id, with_for_update=True)
    _check_has_one(work, staff_id)
    _delete(work, staff_id)
    work.session.execute(delete(StaffSession).where(StaffSession.staff_id == staff_id))
    _record(work, staff_id, "removed", work.actor.id)
    return staff


def _password_of(registry: Registry, staff_id: str, password: str) -> tuple[Staff, Charged]:
    """As at a log-in: counted before it is looked at, and looked at outside any transaction."""
    with registry.begin(REGISTRY) as work:
        staff = accounts.get_staff(work, staff_id)
        charged = tries.charge_own(work, staff)
    if not account_rules.is_password(staff.password_hash, password):
        raise AuthenticationError("wrong_credentials", "口令不正确。")
    return staff, charged


def _proved(work: Work, masters: Masters, seen: Staff, charged: Charged, text: str) -> Staff:
    """The account of whoever gave its password and, if there is a second factor, a code of it."""
    staff = accounts.of_that_password(work, seen)
    if halves.has_factor(work, staff.id):
        _take(work, masters, staff.id, text)
    tries.give_back(work, charged)
    return staff


def _take(work: Work, masters: Masters, staff_id: str, text: str) -> None:
    """Use a code of an account up, which nobody else has changed since it was locked.

    Raises AuthenticationError: it is wrong, or was used.
    """
    code = rules.normalised(text)
    if not (_take_of_app if rules.is_app_code(code) else _take_of_recovery)(work, masters, staff_id, code):
        raise _wrong_code()


def _take_of_app(work: Work, masters: Masters, staff_id: str, code: str) -> bool:
    row = work.session.get_one(SecondFactor, staff_id, populate_existing=True)
    step = rules.step_of(unseal(masters, staff_id, row.sealed), code, work.at, after=row.last_step)
    if step is not None:
        row.last_step = step
    return step is not None


def _take_of_recovery(work: Work, _: Masters, staff_id: str, code: str) -> bool:
    used = delete(RecoveryCode).where(RecoveryCode.code_hash == _hash(work, staff_id, code))
    taken = work.session.scalars(used.returning(RecoveryCode.staff_id)).first() is not None
    if taken:
        _record(work, staff_id, "recovery_used", f"staff:{staff_id}")
    return taken


def _wrong_code() -> AuthenticationError:
    return AuthenticationError("factor_code_wrong", "验证码不正确，或已经用过；请等验证器显示下一个验证码后再试。")


def _hash(work: Work, staff_id: str, code: str) -> bytes:
    # 50 bits are few for a bare hash; the key is not in the database.
    return work.blind.of("recovery", f"{staff_id}|{code}")


def _new_recovery_codes(work: Work, staff_id: str) -> list[str]:
    codes = rules.new_recovery_codes(work.draw)
    work.session.execute(delete(RecoveryCode).where(RecoveryCode.staff_id == staff_id))
    for code in codes:
        hashed = _hash(work, staff_id, rules.normalised(code))
        work.session.add(RecoveryCode(code_hash=hashed, staff_id=staff_id))
    work.session.flush()
    return codes


def _check_has_one(work: Work, staff_id: str) -> None:
    if not halves.has_factor(work, staff_id):
        raise TransitionError("off", "end", "该账号没有启用双重验证。", "no_second_factor")


def _delete(work: Work, staff_id: str) -> None:
    for table in (SecondFactor, FactorEnrolment, RecoveryCode):
        work.session.execute(delete(table).where(table.staff_id == staff_id))


def _record(work: Work, staff_id: str, what: str, by: str) -> None:
    event_id = new_id_text(work.at, work.draw)
    work.session.add(FactorEvent(id=event_id, staff_id=staff_id, what=what, by=by, at=work.at))
    work.session.flush()
