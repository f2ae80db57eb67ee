"""Printed codes, posters and labels as PDF, for the printer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Response

from api.http.calls import Call, get_call
from api.http.forms import USUAL, problems
from api.http.guard import GuardedRoute
from api.printing import sheets
from registry.catalogue import service as catalogue
from registry.codes import service as codes
from registry.components import service as components
from registry.departments import service as departments
from registry.errors import NotFoundError, TransitionError
from registry.posters import service as posters
from registry.venues import service as venues
from registry.work import Work
from verifier.code import CodeKind
from verifier.status import Status

router = APIRouter(prefix="/api/v1", tags=["打印"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]

_PDF: Final[Mapping[str, Any]] = {"content": {"application/pdf": {}}}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {200: dict(_PDF), **problems(404, 409, 503)}


@router.get("/codes/{code_id}/card.pdf", summary="离线码的卡片", response_class=Response, responses=_ANSWERS)
def get_card(
    code_id: str,
    call: OfCall,
    form: Annotated[Literal["card", "sheet"], Query(description="card 卡片，sheet A4 大字版附可剪下的卡片")] = "card",
) -> Response:
    """信用卡大小（85.6 × 54 毫米），或 A4 大字版。没有姓名和号码，姓名由本人书写。"""
    code = call.read(lambda work: _printed(work, code_id))
    return _pdf(sheets.print_card(code, form, call.services.clock()), f"{form}-{code_id}")


@router.get("/venues/{venue_id}/posters.pdf", summary="场所码海报", response_class=Response, responses=_ANSWERS)
def get_posters(
    venue_id: str,
    call: OfCall,
    paper: Annotated[Literal["a4", "a3"], Query(description="纸张")] = "a4",
    number: Annotated[int | None, Query(ge=1, description="第几张，缺省为全部有效的")] = None,
) -> Response:
    """每页一张，编号印在页脚。"""
    found, office = call.read(lambda work: _posters(work, venue_id, number))
    pdf = sheets.print_posters(found, paper, office, _reading_page(call), call.services.clock())
    return _pdf(pdf, f"posters-{venue_id}")


@router.get("/components/labels.pdf", summary="部件标签", response_class=Response, responses=_ANSWERS)
def get_labels(
    call: OfCall,
    q: Annotated[str, Query(max_length=60, description="标识码、名称或位置中的文字")] = "",
    after: Annotated[str, Query(max_length=16, description="从哪个标识码之后开始")] = "",
) -> Response:
    """A4 纸每页 3 × 8 张，一次最多 600 张；余下的用 after 接着打。"""
    labels = call.read(lambda work: _labels(work, q.strip(), after))
    return _pdf(sheets.print_labels(labels, _reading_page(call), call.services.clock()), "labels")


def _reading_page(call: Call) -> str:
    """Where anybody reads a code, as people write an address: a phone's own camera knows nothing of our codes."""
    return f"{call.services.settings.public_url}/verify".removeprefix("https://")


def _printed(work: Work, code_id: str) -> sheets.PrintedCode:
    row = codes.get_own(work, code_id)
    if row.kind != CodeKind.PRINTED:
        raise NotFoundError("not_a_printed_code", "只有离线码可以打印成卡片。")
    if row.status != Status.VALID or row.expires_at <= work.at:
        raise TransitionError("out_of_force", "print", "该码已失效，请再次申领后打印。", reason="code_out_of_force")
    types = [catalogue.find_type(work, ref) for ref in row.wanted.get("types", ())]
    places = [venues.find(work, ref) for ref in row.wanted.get("venues", ())]
    grants = [one.name for one in types if one] + [f"{one.name}通行证" for one in places if one]
    return sheets.PrintedCode(
        row.text, row.id, row.generation, row.expires_at, tuple(grants), departments.get(work, row.department).name
    )


def _posters(work: Work, venue_id: str, number: int | None) -> tuple[list[sheets.VenuePoster], str]:
    venue = venues.own(work, venue_id)
    found = [
        sheets.VenuePoster(code.text, code.id, poster.number, venue.name, venue.address)
        for poster, code in reversed(posters.of_venue(work, venue_id))
        if code.status == Status.VALID and code.expires_at > work.at and number in (None, poster.number)
    ]
    if not found:
        raise NotFoundError("no_posters", "没有可打印的海报，请先制作。")
    return found[: sheets.MAX_POSTERS], departments.get(work, venue.department).name


def _labels(work: Work, query: str, after: str) -> list[sheets.ComponentLabel]:
    rows = components.list_page(work, work.actor.department or "", query, after, sheets.MAX_LABELS)
    labels = [
        sheets.ComponentLabel(codes.get(work, row.code_id).text, row.name, row.code, row.place, row.unit_name)
        for row in rows
        if row.removed_at is None
    ]
    if not labels:
        raise NotFoundError("no_labels", "没有可打印的标签，请先导入部件。")
    return labels


def _pdf(data: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'inline; filename="{name}.pdf"', "Cache-Control": "no-store"}
    return Response(data, media_type="application/pdf", headers=headers)
