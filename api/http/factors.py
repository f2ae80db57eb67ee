"""One's own second factor at log-in, and taking it off an account whose phone is lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from api.errors import ProblemError
from api.http import proposals
from api.http.callers import place_of, set_cookies
from api.http.calls import Answer, Call, get_call
from api.http.forms import USUAL, Incoming, Outgoing, problems
from api.http.guard import GuardedRoute
from api.http.sessions import Account, Code, Session, account_of, session_of
from registry.factors import rules
from registry.factors import service as factors

router = APIRouter(prefix="/api/v1", tags=["双重验证"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class Begin(Incoming):
    """Who sets an app up, once more."""

    password: str = Field(max_length=256, description="口令")
    code: str = Field(default="", max_length=64, description="已启用时：现在的验证码或备用码")


class Proof(Incoming):
    """Who changes it, once more."""

    password: str = Field(max_length=256, description="口令")
    code: str = Field(max_length=64, description="验证码或备用码")


class Removal(Incoming):
    """Why it is taken off."""

    reason: str = Field(default="", max_length=200, description="理由；实行双人复核时必填")


class Event(Outgoing):
    """What became of it."""

    what: str = Field(description=f"{'、'.join(rules.EVENTS)} 之一")
    at: datetime
    by: str = Field(description="办理人的编号，如 staff:…")


class Standing(Outgoing):
    """How one's own second factor stands."""

    since_at: datetime | None = Field(description="自何时启用；未启用为 null")
    asked: bool = Field(description="本系统要求此账号使用双重验证")
    recovery_codes: int = Field(description="未用的备用码个数")
    events: list[Event] = Field(description="最近的记录，新的在前")


class Enrolment(Outgoing):
    """What is put into an app; shown this once."""

    secret: str = Field(description="密钥（Base32），可手工输入验证器")
    uri: str = Field(description="otpauth 地址，供验证器扫描")
    expires_at: datetime = Field(description="此前须以一个验证码确认")


class RecoveryCodes(Outgoing):
    """Codes for when the app is lost; shown this once."""

    recovery_codes: Sequence[str] = Field(description="备用码，每个只能用一次，仅显示一次")


class Enrolled(RecoveryCodes):
    """The app holds; the session is a new one."""

    session: Session


def account_id_of(call: Call) -> str:
    """The account of the session. Raises ProblemError for tokens, which have no second factor."""
    if call.known.username is None:
        raise ProblemError(HTTPStatus.FORBIDDEN, "not_an_account", "令牌不使用口令与双重验证，请用人员账号登录办理。")
    return call.known.actor.id.removeprefix("staff:")


@router.get("/second-factor", summary="我的双重验证")
def show_standing(call: OfCall) -> Standing:
    """是否启用、剩余备用码与最近记录。"""
    account_id = account_id_of(call)
    found = call.read(lambda work: factors.standing(work, account_id))
    asked = rules.is_asked_of(call.services.settings.second_factor, call.known.actor.roles)
    events = [Event.model_validate(one) for one in found.events]
    return Standing(since_at=found.since_at, asked=asked, recovery_codes=found.recovery_codes, events=events)


@router.post("/second-factor", response_model=Enrolment, summary="设置或更换验证器", responses=problems(429))
def begin(body: Begin, call: OfCall) -> Response:
    """生成新的密钥（RFC 6238：SHA-1、6 位、30 秒），以验证码确认之前不生效；已启用的须提供现在的验证码。"""
    services = call.services
    begun = factors.begin_enrolment(
        services.registry, services.files.masters, account_id_of(call), body.password, body.code
    )
    shown = Enrolment(
        secret=rules.secret_text(begun.secret).replace(" ", ""), uri=rules.key_uri(begun.secret, begun.username),
        expires_at=begun.expires_at,
    )  # fmt: skip
    return _json(shown.model_dump(mode="json"))


@router.post(
    "/second-factor/confirm", response_model=Enrolled, summary="确认验证器", responses=problems(409, 429)
)  # fmt: skip
def confirm(request: Request, body: Code, call: OfCall) -> Response:
    """以一个验证码确认，随即生效；返回十个备用码，并以新会话代替此账号的全部会话。"""
    services = call.services
    place = place_of(services, request)
    enrolled = factors.confirm_enrolment(
        services.registry, services.files.masters, account_id_of(call), body.code, place
    )
    shown = Enrolled(recovery_codes=enrolled.recovery_codes, session=session_of(enrolled.login))
    response = _json(shown.model_dump(mode="json"))
    set_cookies(services, response, enrolled.login)
    return response


@router.post(
    "/second-factor/recovery-codes", response_model=RecoveryCodes, summary="换发备用码", responses=problems(409, 429)
)
def renew(body: Proof, call: OfCall) -> Response:
    """十个新的备用码，原有的作废。"""
    services = call.services
    codes = factors.renew_recovery_codes(
        services.registry, services.files.masters, account_id_of(call), body.password, body.code
    )
    return _json({"recovery_codes": list(codes)})


@router.post(
    "/second-factor/end", status_code=204, response_class=Response, summary="关闭双重验证",
    responses=problems(409, 429),
)  # fmt: skip
def end(body: Proof, call: OfCall) -> Response:
    """须口令与验证码；系统要求此类账号使用时不能关闭。"""
    services = call.services
    factors.end(
        services.registry, services.files.masters, account_id_of(call), body.password, body.code,
        services.settings.second_factor,
    )  # fmt: skip
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post(
    "/accounts/{account_id}/second-factor/remove", response_model=Account, summary="解除双重验证（手机遗失）",
    responses={202: {"model": proposals.Proposal}, **problems(404, 409)},
)  # fmt: skip
def remove(account_id: str, body: Removal, call: OfCall) -> Response:
    """解除他人账号的双重验证并结束其全部会话；须经双人复核。"""
    return proposals.changing(
        call, "account.factor", {"account_id": account_id}, body.reason,
        lambda _, applied: Answer(HTTPStatus.OK, account_of(applied.value)),
    )  # fmt: skip


def _json(body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
