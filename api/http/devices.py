"""Phones: tickets handed out at a window, enrolment by the phone, its renewals, and what it may see."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from api.http.calls import Answer, Call, get_call
from api.http.codes import signing_key
from api.http.forms import USUAL, HolderReference, Incoming, Outgoing, problems
from api.http.guard import GuardedRoute
from api.http.scans import ScanShown, scan_of
from registry.catalogue import service as catalogue
from registry.codes import bound
from registry.codes.tables import Code
from registry.departments import service as departments
from registry.devices import service as devices
from registry.devices.tables import Device
from registry.extracts import service as extracts
from registry.extracts.rules import title_of
from registry.items import find_item
from registry.uses.tables import Use
from registry.venues import service as venues
from registry.work import Actor, Work
from verifier.code import GrantKind
from verifier.device_request import MAX_REQUEST_BYTES, DeviceRequest, open_request
from verifier.errors import MalformedError

router = APIRouter(prefix="/api/v1", tags=["手机"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]

#: Phones act by their key, not by an account; the log's entry and the row name the device.
_PHONE: Final = Actor("device", "system", None)
#: Base64 of the largest request.
_MAX_CHARS: Final = (MAX_REQUEST_BYTES + 2) // 3 * 4


_MOST_USES: Final = 200


class NewTicket(HolderReference):
    """A phone to be enrolled for the person at the window."""

    certificate_types: list[str] = Field(default_factory=list, max_length=16, description="要出示的证照类型")
    venues: list[str] = Field(default_factory=list, max_length=16, description="要出示通行证的场所")


class TicketShown(Outgoing):
    """A ticket; secret, link and PIN are shown this once."""

    id: str
    secret: str | None = Field(description="凭条，仅显示一次")
    url: str | None = Field(description="供手机打开的链接，凭条在 # 之后，不会发给服务器")
    pin: str | None = Field(description="口令，当面告知，仅显示一次")
    expires_at: datetime


class DeviceShown(Outgoing):
    """A phone; whose it is, is not shown."""

    id: str
    code_id: str
    department: str
    enrolled_at: datetime
    renewed_at: datetime
    ended_at: datetime | None
    ended_by_reason: str | None


class DevicesShown(Outgoing):
    """Every phone of one person, newest first."""

    items: list[DeviceShown]


class Ending(Incoming):
    """Why a phone goes out of use."""

    reason: Literal["lost", "withdrawn"] = Field(description="lost 挂失，withdrawn 注销")


class SignedRequest(Incoming):
    """What a phone asks, signed by its key (docs/code-format.md)."""

    request: str = Field(max_length=_MAX_CHARS, description="设备请求，Base64")


class GrantShown(Outgoing):
    """What a code lets its bearer show, with the code that shows it alone."""

    kind: str
    ref: str
    name: str
    until: datetime
    text: str = Field(description="只含这一项的码的固定内容，用法同下")


class WalletCode(Outgoing):
    """A phone's code, to be shown with a proof of the phone."""

    device_id: str
    code_id: str
    text: str = Field(description="不含权益的码的固定内容，须由手机附上即时证明后出示")
    issued_at: datetime
    expires_at: datetime
    grants: list[GrantShown] = Field(description="可出示的各项，一次出示一项")


class UseSeen(Outgoing):
    """One use of something a person holds."""

    id: str
    item: str
    department: str
    purpose: str
    used_at: datetime
    told: list[str] = Field(default_factory=list, description="摘录件给出的字段")


class VisitSeen(Outgoing):
    """One showing of the phone's code at a gate that was handed in."""

    venue: str
    admitted: bool
    decided_at: datetime


class Seen(Outgoing):
    """What became of a person's items and codes."""

    uses: list[UseSeen]
    visits: list[VisitSeen]
    scans: list[ScanShown] = Field(description="哪些部门因何用途看过本人的码，近 30 天")


@router.post(
    "/enrolments", status_code=201, response_model=TicketShown, summary="发放手机登记凭条", responses=problems(422)
)
def hand_out(body: NewTicket, call: OfCall) -> Response:
    """核对本人身份后发放；凭条以二维码或链接给手机，口令当面告知，十分钟内用一次。"""

    def act(work: Work) -> Answer:
        holder = body.holder_code_type_code, body.holder_code
        made = devices.hand_out(work, holder, body.certificate_types, body.venues)
        shown = TicketShown(
            id=made.ticket.id, secret=made.secret, url=wallet_url(call, made.secret), pin=made.pin,
            expires_at=made.ticket.expires_at,
        )  # fmt: skip
        return Answer(HTTPStatus.CREATED, shown, shown_once=("secret", "url", "pin"))

    return call.answer(act)


def wallet_url(call: Call, secret: str) -> str:
    """The link of a ticket. What stands behind # never leaves the phone."""
    return f"{call.services.settings.public_url}/wallet#{secret}"


@router.post("/devices/search", summary="某人登记过的手机")
def search(body: HolderReference, call: OfCall) -> DevicesShown:
    """按证件号码查询；号码不出现在地址中。"""
    holder = body.holder_code_type_code, body.holder_code
    return call.read(
        lambda work: DevicesShown(items=[DeviceShown.model_validate(row) for row in devices.of_holder(work, holder)])
    )


@router.post("/devices/{device_id}/end", response_model=DeviceShown, summary="停用手机", responses=problems(404, 409))
def end(device_id: str, body: Ending, call: OfCall) -> Response:
    """挂失或注销：联网核验立即失效，离线核验随下一份信任包失效。"""
    return call.answer(
        lambda work: Answer(HTTPStatus.OK, DeviceShown.model_validate(devices.end(work, device_id, body.reason)))
    )


@router.post(
    "/devices", status_code=201, response_model=WalletCode, summary="登记手机", responses=problems(401, 409, 429)
)
def enrol(body: SignedRequest, call: OfCall) -> Response:
    """由手机提交：凭条、口令与公钥，由新密钥签名；同一请求重发无妨。"""
    request, key = asked_by(body), signing_key(call)
    return written(call, lambda work: wallet_code(work, *devices.enrol(work, request, key)), HTTPStatus.CREATED)


@router.post("/devices/code", response_model=WalletCode, summary="换发手机上的码", responses=problems(404, 409, 429))
def renew(body: SignedRequest, call: OfCall) -> Response:
    """由手机提交，设备签名；到期前换发，内容变化时立即换发。"""
    request, key = asked_by(body), signing_key(call)
    return written(call, lambda work: wallet_code(work, *devices.renew(work, request, key)))


@router.post("/devices/uses", response_model=Seen, summary="本人证照与码的使用记录", responses=problems(404, 409, 429))
def seen(body: SignedRequest, call: OfCall) -> Response:
    """由手机提交，设备签名；列出每次用证与每次通行。"""
    request = asked_by(body)
    return written(call, lambda work: _seen(work, devices.seen_by(work, request)))


def asked_by(body: SignedRequest) -> DeviceRequest:
    """What a phone asks; nothing is believed of it yet. Raises MalformedError."""
    try:
        data = base64.b64decode(body.request, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError("not_base64", "设备请求不是 Base64 文本") from error
    return open_request(data)


def written(call: Call, act: Callable[[Work], BaseModel], status: int = HTTPStatus.OK) -> Response:
    """Do what a phone asks: repeating any of it is harmless, so no Idempotency-Key is due."""
    with call.services.registry.begin(_PHONE) as work:
        body = act(work)
    call.services.worker.wake()
    return Response(orjson.dumps(body.model_dump(mode="json")), status, media_type="application/json")


def wallet_code(work: Work, device: Device, code: Code) -> WalletCode:
    """The phone's code with the names of what it grants."""
    grants: list[dict[str, Any]] = [
        {"kind": grant.kind.name.lower(), "ref": grant.ref, "name": _name(work, grant.kind, grant.ref),
         "until": grant.until, "text": text}
        for text, grant in zip(code.grant_texts or (), bound.grants_in(code), strict=True)
    ]  # fmt: skip
    return WalletCode(
        device_id=device.id, code_id=code.id, text=code.text, issued_at=code.issued_at, expires_at=code.expires_at,
        grants=[GrantShown(**grant) for grant in grants],
    )  # fmt: skip


def _name(work: Work, kind: GrantKind, ref: str) -> str:
    found = catalogue.find_type(work, ref) if kind is GrantKind.CERTIFICATE else venues.find(work, ref)
    return found.name if found else ref


def _seen(work: Work, found: devices.Seen) -> Seen:
    shown = found.uses[:_MOST_USES]
    told = extracts.fields_by_use(work, [row.id for row in shown])
    return Seen(
        uses=[_use(work, row, told.get(row.id, [])) for row in shown],
        visits=[
            VisitSeen(venue=_name(work, GrantKind.PASS, row.venue_id), admitted=row.admitted, decided_at=row.decided_at)
            for row in found.visits
        ],
        scans=[scan_of(work, row.department, row.purpose, row.scanned_at) for row in found.scans],
    )


def _use(work: Work, row: Use, told: list[str]) -> UseSeen:
    department = departments.find(work, row.department)
    item = find_item(work, row.item_kind, row.item_id)
    kind = catalogue.find_type(work, item.type_code) if item else None
    definition = catalogue.definition_of(work, kind.code) if kind else None
    return UseSeen(
        id=row.id, item=kind.name if kind else row.item_kind, purpose=row.purpose, used_at=row.used_at,
        department=department.name if department else row.department,
        told=[title_of(part, definition) if definition else part for part in told],
    )  # fmt: skip
