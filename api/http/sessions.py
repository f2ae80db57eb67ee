"""Log-in, log-out, who am I, and the change of one's own password."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from api.errors import ProblemError
from api.http.callers import clear_cookie, place_of, session_secret, set_cookies
from api.http.calls import Call, get_call
from api.http.forms import USUAL, Incoming, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.accounts import service as accounts
from registry.accounts.service import Login
from registry.accounts.tables import Staff

router = APIRouter(prefix="/api/v1", tags=["登录"], route_class=GuardedRoute)
OfCall = Annotated[Call, Depends(get_call)]


class Credentials(Incoming):
    """User name and password."""

    username: str = Field(max_length=64, description="用户名")
    password: str = Field(max_length=256, description="口令")


class PasswordChange(Incoming):
    """One's present and new password."""

    current_password: str = Field(max_length=256, description="现在的口令（首次登录时为一次性口令）")
    new_password: str = Field(max_length=256, description="新口令：10 至 128 个字符，至少三类字符")


class Account(Outgoing):
    """A staff account."""

    id: str
    username: str
    name: str
    department: str | None
    roles: list[str]
    must_change_password: bool
    disabled_at: datetime | None


class Session(Outgoing):
    """A session that was opened; its secret is in the cookie alone."""

    account: Account
    expires_at: datetime


class Known(Outgoing):
    """Whoever calls."""

    kind: Literal["staff", "system", "registry"]
    id: str
    name: str
    username: str | None
    department: str | None
    roles: list[str]
    must_change_password: bool


def account_of(staff: Staff) -> Account:
    """The account as it is shown."""
    return Account.model_validate(staff)


@router.post(
    "/sessions", status_code=201, response_model=Session, summary="登录", responses=problems(401, 403, 422, 429)
)
def log_in(request: Request, body: Credentials, call: OfCall) -> Response:
    """口令正确则建立会话并写入 Cookie。同一处连续输错五次起须等待，每次加倍，至多一小时；账号不会被锁定。"""
    place = place_of(call.services, request)
    login = accounts.log_in(call.services.registry, body.username, body.password, place)
    return _opened(call, login, HTTPStatus.CREATED)


@router.get("/sessions", summary="我是谁", responses=problems(401))
def who_am_i(call: OfCall) -> Known:
    """当前会话或令牌的身份、部门与角色。"""
    caller = call.known
    return Known(
        kind=caller.actor.kind,
        id=caller.actor.id,
        name=caller.name,
        username=caller.username,
        department=caller.actor.department,
        roles=sorted(caller.actor.roles),
        must_change_password=caller.must_change_password,
    )


@router.delete("/sessions", status_code=204, response_class=Response, summary="退出登录", responses=problems(401, 403))
def log_out(request: Request, call: OfCall) -> Response:
    """结束当前会话。"""
    secret = session_secret(call.services, request)
    if secret is not None:
        call.write(lambda work: accounts.log_out(work, secret))
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    clear_cookie(call.services, response)
    return response


@router.post("/password", response_model=Session, summary="修改自己的口令", responses=USUAL)
def change_password(request: Request, body: PasswordChange, call: OfCall) -> Response:
    """修改口令并结束该账号的全部会话，随即以新口令建立新会话。"""
    caller = call.known
    if caller.username is None:
        raise ProblemError(HTTPStatus.FORBIDDEN, "not_an_account", "令牌没有口令，请由管理员换发令牌。")
    login = accounts.change_password(
        call.services.registry, caller.actor.id.removeprefix("staff:"), body.current_password, body.new_password,
        place_of(call.services, request),
    )  # fmt: skip
    return _opened(call, login, HTTPStatus.OK)


def _opened(call: Call, login: Login, status: HTTPStatus) -> Response:
    session = Session(account=account_of(login.staff), expires_at=login.expires_at)
    response = Response(orjson.dumps(session.model_dump(mode="json")), status, media_type="application/json")
    set_cookies(call.services, response, login)
    return response
