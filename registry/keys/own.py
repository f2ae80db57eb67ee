"""Keys that departments hold themselves: proved by a signature, in force from two seconds on, ended for ever.

Like every key of a department they stand in `keys` under its purpose, so that the trust bundle, the chain and whoever
judges a signature know them as they know the key service's. At most one is in force at a time, whoever holds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Table, and_, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from registry.departments.tables import Department
from registry.errors import (
    DuplicateError,
    FieldError,
    InvalidDraftError,
    NotFoundError,
    NotPermittedError,
    TransitionError,
)
from registry.ids import new_id_text
from registry.keys import rules
from registry.keys.service import KeyService, periods_in
from registry.keys.tables import KeyChallenge, KeyRow
from registry.log.tables import LogEntry
from registry.work import Work
from verifier import key_possession
from verifier.errors import MalformedError, SignatureError
from verifier.key_possession import Challenge
from verifier.suites import PublicKey, Suite, public_key

_KEYS: Table = KeyRow.__table__  # type: ignore[assignment]
CHALLENGE_LASTS = timedelta(hours=1)
#: How many of them a department may ask for in that time.
MAX_CHALLENGES = 20
#: Keys change over so long after the decision, so that no transaction that knows the old one only signs beyond its end.
CHANGES_OVER_AFTER = timedelta(seconds=2)
MAX_REASON_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """A challenge and the bytes that the key has to sign."""

    row: KeyChallenge
    to_be_signed: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """A key that was ended, and how many entries that it had signed do not hold any more."""

    row: KeyRow
    undone: int


def ask_for_proof(
    work: Work, department: str, suite: str, public: str, valid_from: datetime | None, valid_to: datetime | None
) -> Asked:
    """A challenge for a key; it can be answered for an hour. suite: name; public: hex.

    Raises InvalidDraftError, NotFoundError (department), NotPermittedError (the department that runs this registry),
    DuplicateError (the key is known already: a key is registered once and for one owner), TransitionError (too many).
    """
    key = _parse(suite, public)
    _check_may_hold(work, department)
    _check_new(work.session, key)
    begins, ends = rules.next_second(valid_from or work.at), None if valid_to is None else rules.whole_second(valid_to)
    if ends is not None and (ends <= begins or ends <= work.at):
        raise InvalidDraftError([FieldError("valid_to", "ends_before_it_begins", "截止时间应晚于起始时间和现在。")])
    _check_room(work, department)
    row = KeyChallenge(
        id=new_id_text(work.at, work.draw), department=department, suite=int(key.suite), public=key.raw,
        nonce=work.draw(key_possession.NONCE_BYTES), valid_from=begins, valid_to=ends, asked_by=work.actor.id,
        asked_at=work.at, expires_at=work.at + CHALLENGE_LASTS,
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    return Asked(row, key_possession.to_be_signed(_challenge(row), key))


def _check_room(work: Work, department: str) -> None:
    """Forget what nobody answered in time. Raises TransitionError where the department asked too often."""
    asked = KeyChallenge.department == department
    unanswered = asked & KeyChallenge.proof.is_(None) & (KeyChallenge.expires_at <= work.at)
    work.session.execute(delete(KeyChallenge).where(unanswered))
    live = select(func.count()).where(asked, KeyChallenge.expires_at > work.at)
    if (work.session.scalar(live) or 0) >= MAX_CHALLENGES:
        message = f"本部门一小时内已申请登记 {MAX_CHALLENGES} 次，请一小时后再申请，或答复已有的请求。"
        raise TransitionError("full", "ask", message, "too_many_challenges")


def asked_for(work: Work, department: str, challenge_id: str) -> Asked | None:
    """A challenge that this department was given and has not answered yet."""
    row = work.session.get(KeyChallenge, challenge_id)
    if row is None or row.department != department or row.proof is not None:
        return None
    return Asked(row, key_possession.to_be_signed(_challenge(row), public_key(row.suite, row.public)))


def prove(work: Work, department: str, challenge_id: str, signature: bytes) -> KeyChallenge:
    """Keep the proof that a challenged key is held; nothing is in force yet. Repeating it changes nothing.

    Raises NotFoundError, TransitionError (the challenge ran out), InvalidDraftError (the signature is not the key's).
    """
    row = work.session.get(KeyChallenge, challenge_id, with_for_update=True)
    if row is None or row.department != department:
        raise NotFoundError("challenge_unknown", "没有这个密钥登记请求，请重新申请。")
    key = public_key(row.suite, row.public)
    if row.proof is None and work.at >= row.expires_at:
        raise TransitionError("expired", "prove", "密钥登记请求已过期，请重新申请。", "challenge_expired")
    try:
        key_possession.check(_challenge(row), key, signature)
    except SignatureError as wrong:
        message = f"{wrong.message}；请用登记的这把私钥签署待签字节。"
        raise InvalidDraftError([FieldError("signature", wrong.reason, message)]) from wrong
    row.proof = row.proof or key_possession.normalised(key, signature)
    work.session.flush()
    return row


def get_proved(work: Work, challenge_id: str) -> KeyChallenge:
    """A challenge that was answered. Raises NotFoundError."""
    row = work.session.get(KeyChallenge, challenge_id)
    if row is None or row.proof is None:
        raise NotFoundError("challenge_unknown", "没有这个密钥登记请求，或尚未证明持有密钥。")
    return row


def install(work: Work, challenge_id: str) -> KeyRow:
    """Let a proved key sign for its department, in two seconds at the earliest; the one before it ends then.

    From then on the key service signs nothing for the department. Raises NotFoundError, NotPermittedError,
    DuplicateError, TransitionError (its window has passed, or another key is waiting to begin).
    """
    row = get_proved(work, challenge_id)
    _check_may_hold(work, row.department, lock=True)
    key, purpose = public_key(row.suite, row.public), rules.department_purpose(row.department)
    _check_new(work.session, key)
    begins = max(row.valid_from, rules.next_second(work.at + CHANGES_OVER_AFTER))
    if row.valid_to is not None and row.valid_to <= begins:
        raise TransitionError("passed", "install", "该密钥的有效期已过，请重新申请。", "key_window_passed")
    _close_before(work, purpose, begins)
    values = {
        "kid": key.kid, "suite": int(key.suite), "public": key.raw, "purpose": purpose, "valid_from": begins,
        "valid_to": row.valid_to, "vault": rules.OWN_VAULT, "uses": 0,
    }  # fmt: skip
    work.session.execute(insert(_KEYS).values(values))
    return work.session.get_one(KeyRow, key.kid)


def end(work: Work, department: str, kid: bytes, reason: str, compromised_at: datetime | None = None) -> Ended:
    """End a key of a department's own now; or with the moment from which on its signatures are not to be believed.

    Windows only shrink; repeating it changes nothing. Raises NotFoundError, InvalidDraftError.
    """
    row = find(work, department, kid, lock=True)
    errors = []
    if not 0 < len(reason.strip()) <= MAX_REASON_CHARACTERS or not reason.isprintable():
        errors.append(FieldError("reason", "wrong_length", f"理由应为 1 至 {MAX_REASON_CHARACTERS} 个字。"))
    if compromised_at is not None and compromised_at > work.at:
        errors.append(FieldError("compromised_at", "in_future", "泄露时间不能晚于现在。"))
    if errors:
        raise InvalidDraftError(errors)
    ends = max(rules.next_second(work.at if compromised_at is None else compromised_at), row.valid_from)
    before = row.valid_to
    if before is not None and before <= ends:
        return Ended(row, 0)
    row.valid_to, row.ended_as = ends, "revoked" if compromised_at is None else "compromised"
    row.ended_by, row.ended_reason, row.ended_at = work.actor.id, reason.strip(), work.at
    work.session.flush()
    return Ended(row, 0 if compromised_at is None else signed_since(work.session, department, ends, before))


def signed_since(session: Session, department: str, since: datetime, until: datetime | None) -> int:
    """How many entries of the department are signed for a time from `since` on, before `until`."""
    counted = select(func.count()).where(
        LogEntry.department == department, LogEntry.signed.is_not(None), LogEntry.recorded_at >= since
    )
    return session.scalar(counted if until is None else counted.where(LogEntry.recorded_at < until)) or 0


def return_to_service(work: Work, keys: KeyService, department: str) -> KeyRow:
    """Let the key service sign for the department from two seconds on; what it left unsigned is dated then.

    Repeating it changes nothing. Raises NotFoundError, TransitionError (a key of its own waits to begin).
    """
    _check_may_hold(work, department, lock=True)
    connection, purpose = work.session.connection(), rules.department_purpose(department)
    known = [period for period in periods_in(connection, purpose) if not period.is_empty]
    if not known or not known[-1].own:
        return work.session.get_one(KeyRow, known[-1].kid) if known else _first(work, keys, purpose)
    begins = rules.next_second(work.at + CHANGES_OVER_AFTER)
    _close_before(work, purpose, begins)
    return work.session.get_one(KeyRow, keys.take_over_in(connection, purpose, begins).kid)


def _first(work: Work, keys: KeyService, purpose: str) -> KeyRow:
    begins = rules.whole_second(work.at - rules.FIRST_KEY_MARGIN)
    return work.session.get_one(KeyRow, keys.take_over_in(work.session.connection(), purpose, begins).kid)


def find(work: Work, department: str, kid: bytes, *, lock: bool = False) -> KeyRow:
    """A key that the department holds itself. Raises NotFoundError."""
    row = work.session.get(KeyRow, kid, with_for_update=lock)
    if row is None or row.vault != rules.OWN_VAULT or row.purpose != rules.department_purpose(department):
        raise NotFoundError("key_unknown", "该部门没有自己保管的这把密钥，请核对密钥编号。", {"kid": kid.hex()})
    return row


def keys_of(work: Work, department: str) -> list[KeyRow]:
    """Every key that ever signed for the department, whoever holds it, newest first."""
    purpose = rules.department_purpose(department)
    found = select(KeyRow).where(KeyRow.purpose == purpose).order_by(KeyRow.valid_from.desc(), KeyRow.kid)
    return list(work.session.scalars(found))


def signs_itself(session: Session, department: str, at: datetime) -> bool:
    """Whether only the department can sign its entries at that time."""
    return rules.signs_itself(periods_in(session.connection(), rules.department_purpose(department)), at)


def self_signing(session: Session, at: datetime) -> list[str]:
    """The departments that sign themselves; usually few."""
    purposes = session.scalars(select(KeyRow.purpose).where(KeyRow.vault == rules.OWN_VAULT).distinct())
    codes = [rules.department_of(purpose) or "" for purpose in purposes]
    return sorted(code for code in codes if signs_itself(session, code, at))


def _check_may_hold(work: Work, department: str, *, lock: bool = False) -> None:
    row = work.session.get(Department, department, with_for_update=lock)
    if row is None:
        raise NotFoundError("department_unknown", "没有登记该部门，请核对统一社会信用代码。", {"code": department})
    if row.operator:
        # Its key signs what the registry does by itself, by night and by the thousand.
        message = "运行本系统的部门由本系统的密钥服务签署，不能改为自行签署。"
        raise NotPermittedError("operator_stays", message, {"code": department})


def _check_new(session: Session, key: PublicKey) -> None:
    known = session.get(KeyRow, key.kid)
    if known is not None:
        message = "该密钥已经登记过；每把密钥只登记一次，更换时请生成新的密钥。"
        raise DuplicateError("key_known", message, key.kid.hex())


def _close_before(work: Work, purpose: str, begins: datetime) -> None:
    """End what would still be in force then."""
    periods = periods_in(work.session.connection(), purpose)
    if any(period.valid_from >= begins and not period.is_empty for period in periods):
        message = "该部门已有一把尚未启用的新密钥，请待其启用后再更换，或先将其作废。"
        raise TransitionError("waiting", "rotate", message, "rotation_pending")
    work.session.execute(
        update(_KEYS)
        .where(
            _KEYS.c.purpose == purpose,
            and_(_KEYS.c.valid_from < begins, or_(_KEYS.c.valid_to.is_(None), _KEYS.c.valid_to > begins)),
        )
        .values(valid_to=begins)
    )
    work.session.expire_all()


def _parse(suite: str, public: str) -> PublicKey:
    if suite not in Suite.__members__:
        names = "、".join(Suite.__members__)
        raise InvalidDraftError([FieldError("suite", "unknown_suite", f"套件应为 {names} 之一。")])
    try:
        return public_key(Suite[suite], bytes.fromhex(public))
    except (ValueError, MalformedError) as wrong:
        message = "公钥应为十六进制：Ed25519 为 32 字节，ES256 与 SM2 为 33 字节的压缩点。"
        raise InvalidDraftError([FieldError("public", "not_a_key", message)]) from wrong


def _challenge(row: KeyChallenge) -> Challenge:
    return Challenge(row.department, key_possession.ENTRIES, row.nonce, row.valid_from, row.valid_to)
