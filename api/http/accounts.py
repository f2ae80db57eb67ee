"""Accounts of the staff and tokens of department systems: an administrator's work."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.http import proposals
from api.http.calls import Answer, Call, get_call
from api.http.forms import USUAL, Incoming, Moment, Outgoing, problems
from api.http.guard import GuardedRoute
from api.http.sessions import Account, account_of
from registry.accounts import service as accounts
from registry.accounts import tokens
from registry.accounts.rules import MAX_TOKEN_VENUES
from registry.proposals.actions import Applied
from registry.work import Work

router = APIRouter(prefix="/api/v1", tags=["账号与令牌"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class NewAccount(Incoming):
    """An account to be made."""

    username: str = Field(max_length=64, description="用户名：3 至 32 位小写字母、数字或 . _ -")
    name: str = Field(max_length=100, description="姓名")
    department: str | None = Field(default=None, max_length=18, description="所属部门的统一社会信用代码")
    roles: list[str] = Field(max_length=6, description="角色")
    reason: str = Field(default="", max_length=200, description="理由；实行双人复核时必填")


class Roles(Incoming):
    """Other roles for an account."""

    roles: list[str] = Field(max_length=6, description="角色")
    reason: str = Field(default="", max_length=200, description="理由；实行双人复核时必填")


class Reset(Incoming):
    """Why a password is reset."""

    reason: str = Field(default="", max_length=200, description="理由；实行双人复核时必填")


class Reopening(Incoming):
    """Why an account that was shut is opened again."""

    reason: str = Field(max_length=200, description="恢复的理由，必填")


class AccountMade(Account):
    """The account, and the password to hand over once."""

    one_time_password: str | None = Field(description="一次性口令，仅显示一次；重放时为 null")


class Accounts(Outgoing):
    """All accounts."""

    items: list[Account]
    next_cursor: None = None


class NewToken(Incoming):
    """A token to be made."""

    name: str = Field(max_length=100, description="令牌名称，说明由哪个系统使用")
    department: str | None = Field(default=None, max_length=18, description="所属部门的统一社会信用代码")
    roles: list[str] = Field(max_length=6, description="角色")
    venues: list[Annotated[str, Field(max_length=26)]] | None = Field(
        default=None, max_length=MAX_TOKEN_VENUES, description="闸口令牌限定的场所编号；不填则可为本部门全部场所上交"
    )
    expires_at: Moment = Field(description="到期时间（带时区），最长 400 天", strict=False)
    reason: str = Field(default="", max_length=200, description="理由；实行双人复核时必填")


class Token(Outgoing):
    """A token without its secret."""

    id: str
    name: str
    department: str | None
    roles: list[str]
    venues: list[str] | None = Field(description="只用于这些场所；null 为本部门全部场所")
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class TokenMade(Token):
    """The token and its secret."""

    secret: str | None = Field(description="令牌内容 szt_…，仅显示一次；重放时为 null")


class Tokens(Outgoing):
    """All tokens."""

    items: list[Token]
    next_cursor: None = None


@router.post("/accounts", status_code=201, response_model=AccountMade, summary="新建账号",
             responses={202: {"model": proposals.Proposal}, **problems(404, 409)})  # fmt: skip
def create_account(body: NewAccount, call: OfCall) -> Response:
    """返回一次性口令；首次登录后必须修改。"""

    given = body.model_dump(exclude={"reason"})
    return proposals.changing(
        call, "account.create", given, body.reason, lambda _, applied: _account_made(applied, HTTPStatus.CREATED)
    )


def _account_made(applied: Applied, status: int) -> Answer:
    made = AccountMade(**account_of(applied.value).model_dump(), one_time_password=applied.once["one_time_password"])
    return Answer(status, made, shown_once=("one_time_password",))


@router.post(
    "/accounts/{account_id}/roles", response_model=Account, summary="变更角色",
    responses={202: {"model": proposals.Proposal}, **problems(404)},
)  # fmt: skip
def set_roles(account_id: str, body: Roles, call: OfCall) -> Response:
    """变更账号的角色，并结束其全部会话。"""
    given = {"account_id": account_id, "roles": body.roles}
    return proposals.changing(
        call, "account.roles", given, body.reason,
        lambda _, applied: Answer(HTTPStatus.OK, account_of(applied.value)),
    )  # fmt: skip


@router.get("/accounts", summary="账号列表")
def list_accounts(call: OfCall) -> Accounts:
    """全部账号，按用户名排序。"""
    return call.read(lambda work: Accounts(items=[account_of(staff) for staff in accounts.list_staff(work)]))


@router.delete("/accounts/{account_id}", response_model=Account, summary="停用账号", responses=problems(404))
def disable_account(account_id: str, call: OfCall) -> Response:
    """停用账号并结束其全部会话；重复操作无妨。"""
    return call.answer(lambda work: Answer(HTTPStatus.OK, account_of(accounts.disable_staff(work, account_id))))


@router.post(
    "/accounts/{account_id}/password", response_model=AccountMade, summary="重置口令",
    responses={202: {"model": proposals.Proposal}, **problems(404)},
)  # fmt: skip
def reset_password(account_id: str, call: OfCall, body: Reset | None = None) -> Response:
    """生成新的一次性口令，解除锁定并结束其全部会话。"""
    return proposals.changing(
        call, "account.password", {"account_id": account_id}, body.reason if body else "",
        lambda _, applied: _account_made(applied, HTTPStatus.OK),
    )  # fmt: skip


@router.post(
    "/accounts/{account_id}/reopen", response_model=AccountMade, summary="恢复账号",
    responses={202: {"model": proposals.Proposal}, **problems(404, 409)},
)  # fmt: skip
def reopen_account(account_id: str, body: Reopening, call: OfCall) -> Response:
    """恢复已停用的账号，角色不变；原口令不再可用，返回新的一次性口令。"""
    return proposals.changing(
        call, "account.reopen", {"account_id": account_id}, body.reason,
        lambda _, applied: _account_made(applied, HTTPStatus.OK),
    )  # fmt: skip


@router.post("/tokens", status_code=201, response_model=TokenMade, summary="签发令牌",
             responses={202: {"model": proposals.Proposal}, **problems(404)})  # fmt: skip
def create_token(body: NewToken, call: OfCall) -> Response:
    """为部门系统签发访问令牌；令牌内容仅显示一次，系统只保存其摘要。"""

    given = {**body.model_dump(exclude={"reason", "expires_at"}), "expires_at": body.expires_at.isoformat()}

    def made(_: Work, applied: Applied) -> Answer:
        shown = TokenMade(**Token.model_validate(applied.value).model_dump(), secret=applied.once["secret"])
        return Answer(HTTPStatus.CREATED, shown, shown_once=("secret",))

    return proposals.changing(call, "token.create", given, body.reason, made)


@router.get("/tokens", summary="令牌列表")
def list_tokens(call: OfCall) -> Tokens:
    """全部令牌，新的在前；不含令牌内容。"""
    return call.read(lambda work: Tokens(items=[Token.model_validate(token) for token in tokens.list_tokens(work)]))


@router.delete("/tokens/{token_id}", response_model=Token, summary="吊销令牌", responses=problems(404))
def revoke_token(token_id: str, call: OfCall) -> Response:
    """立即吊销；重复操作无妨。"""
    return call.answer(lambda work: Answer(HTTPStatus.OK, Token.model_validate(tokens.revoke(work, token_id))))
