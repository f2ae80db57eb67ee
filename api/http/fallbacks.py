"""Fallback numbers: make one, take one. A number stands in a body, never in an address or in the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.http.calls import Answer, Call, get_call
from api.http.codes import number_of
from api.http.forms import USUAL, HolderReference, Incoming, Outgoing, problems
from api.http.guard import GuardedRoute
from api.http.verifications import verify_presented
from registry.errors import FieldError, InvalidDraftError
from registry.fallbacks import service as fallbacks
from registry.fallbacks.tables import FallbackNumber
from registry.scans import rules as scan_rules
from registry.work import Work
from verifier.code import KIND_CHINESE, CodeKind
from verifier.verdict import State

router = APIRouter(prefix="/api/v1", tags=["备用号"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class ShownCode(Incoming):
    """A code as its phone shows it at this moment."""

    text: str = Field(max_length=2_268, description="手机动态码的内容，SZ1: 开头")


class ForHolder(HolderReference):
    """A number for the person at the window."""

    authorisation_id: str | None = Field(default=None, max_length=26, description="只用于这项授权")


class Number(Outgoing):
    """A number, shown once."""

    number: str | None = Field(description="8 位数字，只显示这一次；重复请求不再显示")
    expires_at: datetime


class TakeNumber(Incoming):
    """A number that somebody says."""

    number: str = Field(max_length=20, description="8 位数字，可有空格")
    purpose: str = Field(default="", max_length=200, description="窗口说明用途后可见码中可出示的内容，并记录给本人查看")


class TakenShown(Outgoing):
    """What the number stood for; it does not hold any more."""

    code_id: str
    kind: str
    kind_name: str
    name: str | None
    certificate_types: list[str] = Field(description="码中可出示的证照类型")
    venues: list[str] = Field(description="码中有通行证的场所")
    expires_at: datetime
    authorisation_id: str | None


def grants_for(work: Work, taken: fallbacks.Taken, purpose: str) -> Mapping[str, Sequence[str]]:
    """What the code behind a number lets its bearer show, {"types", "venues"}, to a window that states a purpose, as
    with a code that is scanned; to nobody else. The look-up itself is recorded whoever takes the number."""
    if scan_rules.scanner_of(work.actor.roles, purpose) is not scan_rules.Scanner.WINDOW:
        return {}
    wanted: Mapping[str, Sequence[str]] = taken.code.wanted
    return wanted


def shown_of(work: Work, taken: fallbacks.Taken, purpose: str) -> TakenShown:
    """The code behind a number, as far as it opens to the caller."""
    code, kind, wanted = taken.code, CodeKind(taken.code.kind), grants_for(work, taken, purpose)
    return TakenShown(
        code_id=code.id, kind=kind.name.lower(), kind_name=KIND_CHINESE[kind], name=code.name,
        certificate_types=list(wanted.get("types", ())), venues=list(wanted.get("venues", ())),
        expires_at=code.expires_at, authorisation_id=taken.authorisation_id,
    )  # fmt: skip


def _made(number: str, row: FallbackNumber) -> Number:
    return Number(number=number, expires_at=row.expires_at)


@router.post("/fallbacks", summary="用动态码取备用号", responses=problems(409, 413, 429))
def make(body: ShownCode, call: OfCall) -> Number:
    """屏幕或扫码枪坏了：手机出示一次动态码换 8 位备用号，5 分钟内用一次。静态码、离线码不能换。"""
    verdict = verify_presented(call.services, body.text)
    if verdict.state is not State.VALID or not verdict.subject.get("dynamic"):
        reason = verdict.reason if verdict.state is not State.VALID else "not_dynamic"
        message = "只有手机即时出示的动态码可以换备用号。"
        raise InvalidDraftError([FieldError("text", reason, message)], message)
    code_id = str(verdict.subject["code_id"])
    return call.write_as_anyone(lambda work: _made(*fallbacks.make(work, code_id)))


@router.post(
    "/fallbacks/holders",
    status_code=201,
    response_model=Number,
    summary="窗口为本人取备用号",
    responses=problems(404, 409),
)
def make_for(body: ForHolder, call: OfCall) -> Response:
    """窗口核对身份证件后代取，可限定一项授权。"""

    def act(work: Work) -> Answer:
        made = _made(*fallbacks.make_for(work, number_of(body), body.authorisation_id))
        return Answer(HTTPStatus.CREATED, made, shown_once=("number",))

    return call.answer(act)


@router.post("/fallbacks/taking", response_model=TakenShown, summary="核销备用号", responses=problems(404, 409, 429))
def take(body: TakeNumber, call: OfCall) -> Response:
    """一次有效，每次核销都记录给本人查看；输错会计数，账号和全系统都有上限。"""
    return call.answer(
        lambda work: Answer(
            HTTPStatus.OK, shown_of(work, fallbacks.take(work, body.number, body.purpose), body.purpose)
        )
    )
