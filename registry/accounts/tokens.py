"""Use cases of API tokens: how a department's system calls."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from registry.accounts import rules
from registry.accounts.tables import ApiToken
from registry.departments import service as departments
from registry.departments.standing import suspended_among
from registry.errors import AuthenticationError, FieldError, InvalidDraftError, NotFoundError
from registry.ids import new_id_text
from registry.venues.tables import Venue
from registry.work import Actor, Work


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token and its secret (`szt_…`), which is shown once and stored nowhere."""

    token: ApiToken
    secret: str


def create(
    work: Work,
    name: str,
    department: str | None,
    roles: list[str],
    expires_at: datetime,
    venues: list[str] | None = None,
) -> NewToken:
    """A token with these roles for this department, a gate's perhaps for these venues of it alone.

    Raises InvalidDraftError, NotFoundError (department).
    """
    errors = rules.check_roles(roles) + rules.check_venues(roles, venues)
    if not 0 < len(name.strip()) <= 100 or not name.isprintable():
        errors.append(FieldError("name", "wrong_length", "令牌名称应为 1 至 100 个字。"))
    if not work.at < expires_at <= work.at + rules.MAX_TOKEN_LASTS:
        message = f"到期时间应在现在之后、{rules.MAX_TOKEN_LASTS.days} 天之内。"
        errors.append(FieldError("expires_at", "out_of_range", message))
    if department is None and set(roles) - {"administrator", "auditor"}:
        errors.append(FieldError("department", "department_missing", "该角色必须属于一个部门。"))
    if errors:
        raise InvalidDraftError(errors)
    if department is not None:
        departments.get(work, department)
    if venues is not None:
        _check_owned(work, department, venues)
    secret = rules.TOKEN_PREFIX + rules.new_secret(work.draw)
    token = ApiToken(
        id=new_id_text(work.at, work.draw), secret_sha256=rules.secret_digest(secret), name=name.strip(),
        department=department, roles=sorted(roles), created_by=work.actor.id, created_at=work.at, expires_at=expires_at,
        venues=None if venues is None else sorted(venues),
    )  # fmt: skip
    work.session.add(token)
    work.session.flush()
    return NewToken(token, secret)


def _check_owned(work: Work, department: str | None, venues: Sequence[str]) -> None:
    owned = work.session.scalars(select(Venue.id).where(Venue.id.in_(venues), Venue.department == department)).all()
    errors = [
        FieldError("venues", "not_the_departments", f"场所 {venue} 不属于令牌所属的部门，或没有这个场所。")
        for venue in venues
        if venue not in owned
    ]
    if errors:
        raise InvalidDraftError(errors)


def revoke(work: Work, token_id: str) -> ApiToken:
    """End a token at once; repeating it changes nothing. Raises NotFoundError."""
    token = work.session.get(ApiToken, token_id)
    if token is None:
        raise NotFoundError("token_unknown", "没有这个令牌。")
    token.revoked_at = token.revoked_at or work.at
    work.session.flush()
    return token


def list_tokens(work: Work) -> list[ApiToken]:
    """Every token, newest first; secrets are not known."""
    return list(work.session.scalars(select(ApiToken).order_by(ApiToken.id.desc())))


def authenticate(work: Work, secret: str) -> Actor:
    """The system this secret belongs to. Only reads.

    Raises AuthenticationError: token_unknown, token_expired, token_revoked.
    """
    found = authenticate_many(work, [secret])[0]
    if isinstance(found, AuthenticationError):
        raise found
    return found


def authenticate_many(work: Work, secrets: Sequence[str]) -> list[Actor | AuthenticationError]:
    """`authenticate` for each by one query: the systems, in their order, or why not."""
    digests = [rules.secret_digest(secret) for secret in secrets]
    tokens = work.session.scalars(select(ApiToken).where(ApiToken.secret_sha256.in_(set(digests)))).all()
    suspended = suspended_among(work.session, [token.department for token in tokens if token.department is not None])
    actors = {token.secret_sha256: _actor_of(token, work.at, suspended) for token in tokens}
    return [actors.get(digest) or AuthenticationError("token_unknown", "访问令牌无效。") for digest in digests]


def _actor_of(token: ApiToken, at: datetime, suspended: Collection[str]) -> Actor | AuthenticationError:
    if token.revoked_at is not None:
        return AuthenticationError("token_revoked", "访问令牌已被吊销，请联系管理员。")
    if token.expires_at <= at:
        return AuthenticationError("token_expired", "访问令牌已到期，请联系管理员换发。")
    venues = None if token.venues is None else frozenset(token.venues)
    is_suspended = token.department in suspended
    return Actor(f"token:{token.id}", "system", token.department, frozenset(token.roles), venues, is_suspended)
