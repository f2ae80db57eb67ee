"""Extracts that are bound to a phone, for the phone that asks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.http.calls import Call, get_call
from api.http.devices import SignedRequest, asked_by, written
from api.http.forms import USUAL, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.catalogue import service as catalogue
from registry.certificates import service as certificates
from registry.departments import service as departments
from registry.devices import service as devices
from registry.extracts import service as extracts
from registry.extracts.rules import title_of
from registry.extracts.tables import Extract
from registry.work import Work

router = APIRouter(prefix="/api/v1", tags=["手机"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class ExtractHeld(Outgoing):
    """An extract that only this phone can present."""

    id: str
    name: str = Field(description="证照名称")
    issuer: str
    receiver: str = Field(description="接收单位代码")
    receiver_name: str
    matter: str
    fields: list[str] = Field(description="给出的字段，中文名称")
    expires_at: datetime
    text: str = Field(description="SD-JWT，以 ~ 结尾，待手机附上证明")


class ExtractsHeld(Outgoing):
    """The extracts that a phone can present now, newest first."""

    items: list[ExtractHeld]


@router.post(
    "/devices/extracts",
    response_model=ExtractsHeld,
    summary="本人手机可出示的摘录件",
    responses=problems(404, 409, 429),
)
def held(body: SignedRequest, call: OfCall) -> Response:
    """由手机提交，设备签名；只列出绑定这部手机、现在有效的摘录件。"""
    request = asked_by(body)

    def act(work: Work) -> ExtractsHeld:
        device = devices.asking(work, request, devices.EXTRACTS)
        return ExtractsHeld(items=[_held(work, one) for one in extracts.held_by(work, device.id)])

    return written(call, act)


def _held(work: Work, row: Extract) -> ExtractHeld:
    certificate, matter = certificates.get(work, row.certificate_id), catalogue.find_matter(work, row.matter_code)
    definition = catalogue.definition_at(work, certificate.type_code, certificate.type_version)
    issuer, receiver = departments.get(work, certificate.department), departments.get(work, row.receiver)
    return ExtractHeld(
        id=row.id, name=definition.name, issuer=issuer.name, receiver=row.receiver, receiver_name=receiver.name,
        matter=matter.name if matter else row.matter_code, fields=[title_of(part, definition) for part in row.fields],
        expires_at=row.expires_at, text=row.text,
    )  # fmt: skip
