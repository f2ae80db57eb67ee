"""Half sessions: the password was right, and the account has a second factor. They open nothing but `enter_code`."""

from __future__ import annotations

from sqlalchemy import delete

from registry.accounts import rules as account_rules
from registry.accounts.tables import Staff
from registry.errors import AuthenticationError, SecondFactorNeededError
from registry.factors import rules
from registry.factors.tables import HalfSession, SecondFactor
from registry.work import Work


def has_factor(work: Work, staff_id: str) -> bool:
    """Whether a log-in to the account needs a code."""
    return work.session.get(SecondFactor, staff_id) is not None


def begin(work: Work, staff: Staff) -> SecondFactorNeededError:
    """The error that ends the first step of a log-in; its secret is that of a new half session."""
    secret = account_rules.new_secret(work.draw)
    expires_at = work.at + rules.HALF_SESSION_LASTS
    work.session.execute(delete(HalfSession).where(HalfSession.expires_at <= work.at))
    work.session.add(
        HalfSession(
            secret_sha256=account_rules.secret_digest(secret),
            staff_id=staff.id,
            password_sha256=account_rules.secret_digest(staff.password_hash),
            tried=False,
            expires_at=expires_at,
        )
    )
    work.session.flush()
    return SecondFactorNeededError(secret, expires_at)


def found(work: Work, secret: str) -> tuple[HalfSession, Staff]:
    """The half session of this secret and whose it is; nobody else changes the account until the transaction ends.

    Raises AuthenticationError: half_session_over, account_disabled.
    """
    digest = account_rules.secret_digest(secret)
    half = work.session.get(HalfSession, digest)
    if half is None or half.expires_at <= work.at:
        raise over()
    staff = work.session.get_one(Staff, half.staff_id, with_for_update=True, populate_existing=True)
    # Another request may have ended it while this one waited for the account.
    half = work.session.get(HalfSession, digest, populate_existing=True)
    if half is None or half.password_sha256 != account_rules.secret_digest(staff.password_hash):
        raise over()
    if staff.disabled_at is not None:
        raise AuthenticationError("account_disabled", "账号已停用，请联系管理员。")
    return half, staff


def over() -> AuthenticationError:
    """What is said to whoever has no half session any more."""
    return AuthenticationError("half_session_over", "登录步骤已超时或已失效，请重新输入用户名和口令。")
