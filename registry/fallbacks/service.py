"""Use cases of fallback numbers: make one for a code, and take it once."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from sqlalchemy import delete, func, select, update

from registry.authorisations import service as authorisations
from registry.codes import service as codes
from registry.codes.tables import Code
from registry.departments.tables import Department
from registry.devices import service as devices
from registry.errors import (
    BusyError,
    InvalidDraftError,
    LimitError,
    NotFoundError,
    TooManyTriesError,
    TransitionError,
    WrongNumberError,
)
from registry.fallbacks import rules
from registry.fallbacks.tables import FailedTry, FallbackNumber
from registry.ids import new_id_text
from registry.relatives.service import Number, index_of
from registry.scans import service as scans
from registry.uses import service as uses
from registry.work import Work
from verifier.code import CodeKind
from verifier.status import Status

_TRIES = 8
#: A printed code proves nothing about its bearer, and signs are public: a number would make more of them than they are.
_KINDS = (CodeKind.PERSON, CodeKind.ENTERPRISE)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a number stood for: the code, whose it is (blind index), and the authorisation it was bound to."""

    code: Code
    subject_index: bytes
    authorisation_id: str | None


def make(work: Work, code_id: str, authorisation_id: str | None = None) -> tuple[str, FallbackNumber]:
    """A number for a code in force, said once and kept nowhere; an older one of the same code ends.

    Who asks must have shown the code, or stand at a window: that is the caller's to judge. Raises NotFoundError,
    TransitionError (the code is out of force, or of a kind that has no numbers), LimitError, BusyError.
    """
    code = codes.get(work, code_id)
    _check_holds(work, code)
    if authorisation_id is not None:
        authorisations.get(work, authorisation_id)
    live = FallbackNumber.used_at.is_(None), FallbackNumber.expires_at > work.at
    work.session.execute(
        update(FallbackNumber).where(FallbackNumber.code_id == code_id, *live).values(expires_at=work.at)
    )
    if (work.session.scalar(select(func.count(FallbackNumber.id)).where(*live)) or 0) >= rules.MAX_LIVE:
        raise LimitError("too_many_numbers", "同时有效的备用号过多，请稍后再取。")
    for _ in range(_TRIES):
        number = rules.draw_number(work.draw)
        digest = _digest(work, number)
        if (
            work.session.scalars(select(FallbackNumber.id).where(FallbackNumber.digest == digest, *live)).first()
            is None
        ):
            break
    else:
        raise BusyError("numbers_contended", "暂时取不到备用号，请重试。")
    row = FallbackNumber(
        id=new_id_text(work.at, work.draw), digest=digest, code_id=code_id, authorisation_id=authorisation_id,
        made_at=work.at, expires_at=work.at + rules.LASTS,
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    return number, row


def make_for(work: Work, holder: Number, authorisation_id: str | None = None) -> tuple[str, FallbackNumber]:
    """A number for the person at the window whose screen is broken: of their phone's code, or else of their newest.

    The staff have looked at the identity card. Raises InvalidDraftError, NotFoundError, and as `make`.
    """
    index = index_of(work, holder, "holder_code")
    device = devices.in_use(work, index)
    newest = codes.newest(work, CodeKind.PERSON, index.hex())
    code_id = device.code_id if device is not None else newest.id if newest is not None else None
    if code_id is None:
        raise NotFoundError("no_person_code", "此人没有个人码，请先登记手机或制发个人码。")
    return make(work, code_id, authorisation_id)


def take(work: Work, typed: str, purpose: str = "") -> Taken:
    """What a number stands for, once. A wrong one is counted, for this account and for all.

    Whoever takes a person's number has looked that person up: it is recorded for them as a scan, with the purpose or
    without one, in the same transaction. Raises InvalidDraftError (not eight digits; purpose), WrongNumberError (kept:
    the count stays), TooManyTriesError, TransitionError (the code ended meanwhile).
    """
    number = rules.read_number(typed)
    if number is None:
        raise InvalidDraftError([], f"备用号应为 {rules.DIGITS} 位数字。")
    # One at a time: tries that run side by side must not all be counted too late.
    work.session.execute(select(Department.code).where(Department.operator).with_for_update())
    _check_tries(work)
    digest = _digest(work, number)
    query = select(FallbackNumber).where(
        FallbackNumber.digest == digest, FallbackNumber.used_at.is_(None), FallbackNumber.expires_at > work.at
    )
    row = work.session.scalars(query.with_for_update()).first()
    if row is None or not hmac.compare_digest(row.digest, digest):
        work.session.add(FailedTry(id=new_id_text(work.at, work.draw), actor=work.actor.id, tried_at=work.at))
        work.session.flush()
        raise WrongNumberError("wrong_number", _wrong(_failures(work)[0]))
    row.used_at, row.used_by = work.at, work.actor.id
    work.session.flush()
    code = codes.get(work, row.code_id)
    _check_holds(work, code)
    scans.record(work, code.id, purpose.strip() or rules.NO_PURPOSE)
    return Taken(code, _subject(work, code), row.authorisation_id)


def _check_tries(work: Work) -> None:
    if rules.is_locked(*_failures(work)):
        raise TooManyTriesError("too_many_tries", "备用号输错次数过多，请一小时后再试，或请对方重新出示码。")


def _failures(work: Work) -> tuple[int, int]:
    """How often this account, and all accounts, were wrong lately."""
    since = work.at - rules.FAILURES_WITHIN
    count = select(func.count(FailedTry.id)).where(FailedTry.tried_at > since)
    own = work.session.scalar(count.where(FailedTry.actor == work.actor.id)) or 0
    return own, work.session.scalar(count) or 0


def _wrong(failures: int) -> str:
    left = max(0, rules.MAX_FAILURES - failures)
    return f"备用号不对，或已用过、已过期，请重新取号。一小时内还可以再试 {left} 次。"


def _check_holds(work: Work, code: Code) -> None:
    if CodeKind(code.kind) not in _KINDS:
        raise TransitionError("other_kind", "make", "只有个人码和企业码可以取备用号。", reason="no_number_for_it")
    if code.status != Status.VALID or code.expires_at <= work.at:
        raise TransitionError("out_of_force", "make", "该码已失效，不能使用备用号。", reason="code_out_of_force")


def _subject(work: Work, code: Code) -> bytes:
    if code.kind == CodeKind.ENTERPRISE:
        return uses.subject_index(work, "001", code.subject)
    return devices.holder_of(work, code)


def _digest(work: Work, number: str) -> bytes:
    """Under the registry's secret key: whoever copies the database cannot try all 10^8 numbers against it."""
    return work.blind.of("fallback", number)


def forget_old(work: Work) -> None:
    """Delete what no longer counts: failed tries after an hour, numbers a day after their end."""
    work.session.execute(delete(FailedTry).where(FailedTry.tried_at < work.at - rules.FAILURES_WITHIN))
    work.session.execute(delete(FallbackNumber).where(FallbackNumber.expires_at < work.at - 288 * rules.LASTS))
