"""Log-in, log-out, who am I, and the change of one's own password."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from api.errors import ProblemError, problem_of
from api.http.callers import (
    clear_cookie,
    clear_half_cookie,
    half_session_of,
    place_of,
    session_secret,
    set_cookies,
    set_half_cookie,
)
from api.http.calls import Call, get_call
from api.http.forms import USUAL, Incoming, Outgoing, problems
from api.http.guard import GuardedRoute
from api.http.problems import problem_response
from api.http.rim import instance_of
from registry.accounts import service as accounts
from registry.accounts.service import Login
from registry.accounts.tables import Staff
from registry.errors import SecondFactorNeededError
from registry.factors import service as factors

router = APIRouter(prefix="/api/v1", tags=["登录"], route_class=GuardedRoute)
OfCall = Annotated[Call, Depends(get_call)]


class Credentials(Incoming):
    """User name and password."""

    username: str = Field(max_length=64, description="用户名")
    password: str = Field(max_length=256, description="口令")


class Code(Incoming):
    """The code for the second step."""

    code: str = Field(max_length=64, description="验证器上的 6 位验证码，或一个备用码")


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
    must_enrol: bool = Field(description="须先设置双重验证（POST /api/v1/second-factor），才能办理其他事项")


class Known(Outgoing):
    """Whoever calls."""

    kind: Literal["staff", "system", "registry"]
    id: str
    name: str
    username: str | None
    department: str | None
    roles: list[str]
    must_change_password: bool
    must_enrol: bool = Field(description="须先设置双重验证，才能办理其他事项")


def session_of(login: Login) -> Session:
    """The session as it is shown."""
    return Session(account=account_of(login.staff), expires_at=login.expires_at, must_enrol=login.must_enrol)


def account_of(staff: Staff) -> Account:
    """The account as it is shown."""
    return Account.model_validate(staff)


@router.post(
    "/sessions", status_code=201, response_model=Session, summary="登录", responses=problems(401, 403, 422, 429)
)
def log_in(request: Request, body: Credentials, call: OfCall) -> Response:
    """口令正确则建立会话并写入 Cookie。同一处连续输错五次起须等待，每次加倍，至多一小时；账号不会被锁定。
    启用双重验证的账号答复 401 second_factor_needed，并写入五分钟有效的 Cookie；
    随后调用 POST /api/v1/sessions/code。"""
    services = call.services
    place, asked = place_of(services, request), services.settings.second_factor
    try:
        login = accounts.log_in(services.registry, body.username, body.password, place, asked)
    except SecondFactorNeededError as needed:
        problem = problem_of(needed)
        assert problem is not None, "the table of errors has a row for it"
        problem.instance = instance_of(call.request_id)
        response = problem_response(problem, {"WWW-Authenticate": "Bearer"})
        set_half_cookie(services, response, needed)
        return response
    return opened(call, login, HTTPStatus.CREATED)


@router.post(
    "/sessions/code", status_code=201, response_model=Session, summary="登录第二步：验证码",
    responses=problems(401, 403, 422, 429),
)  # fmt: skip
def enter_code(request: Request, body: Code, call: OfCall) -> Response:
    """口令之后的第二步。验证码只能用一次，手机时钟可相差 30 秒；输错与输错口令一样须等待。令牌不需要验证码。"""
    services = call.services
    half, place = half_session_of(services, request), place_of(services, request)
    login = factors.enter_code(services.registry, services.files.masters, half, body.code, place)
    response = opened(call, login, HTTPStatus.CREATED)
    clear_half_cookie(services, response)
    return response


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
        must_enrol=caller.must_enrol,
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
        place_of(call.services, request), call.services.settings.second_factor,
    )  # fmt: skip
    return opened(call, login, HTTPStatus.OK)


def opened(call: Call, login: Login, status: HTTPStatus) -> Response:
    """The answer to a log-in, with its cookies."""
    session = session_of(login)
    response = Response(orjson.dumps(session.model_dump(mode="json")), status, media_type="application/json")
    set_cookies(call.services, response, login)
    return response
