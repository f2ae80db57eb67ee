"""Phones at the window: hand out a ticket, find a person's phones, report one lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from markupsafe import Markup

from api.http.calls import Call, get_call
from api.http.devices import wallet_url
from api.http.guard import GuardedRoute
from api.pages import wording
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.views import Option, ProblemView, Tone
from codes import picture
from registry.departments import service as departments
from registry.devices import service as devices
from registry.devices.tables import Device
from registry.venues import service as venues
from registry.work import Work

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]


@dataclass(frozen=True, slots=True)
class PhoneLine:
    """One phone of a person."""

    id: str
    enrolled_at: datetime
    department: str
    renewed_at: datetime
    tone: Tone
    status: str
    in_use: bool


@dataclass(frozen=True, slots=True)
class PhonesPage:
    """The form of a new phone, and a person's phones once they were asked for (None before)."""

    code_types: Sequence[Option]
    types: Sequence[Option]
    venues: Sequence[Option]
    values: Mapping[str, str]
    chosen: Sequence[str] = ()
    found: Sequence[PhoneLine] | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class TicketPage:
    """A ticket, shown once: its link as a QR, its PIN for the clerk to tell."""

    svg: Markup
    url: str
    pin: str
    expires_at: datetime


@router.get("/devices")
def phones(request: Request, call: OfCall) -> Response:
    """手机登记。"""
    return show(request, "phones.html", _page(call, Form({}, {}), texts_for(request)))


@router.post("/devices")
def hand_out(request: Request, call: OfCall, form: OfForm) -> Response:
    """核对本人后发放登记凭条。"""
    t = texts_for(request)
    try:
        made = call.write(
            lambda work: devices.hand_out(work, _holder(form), form.all("certificate_types"), form.all("venues"))
        )
    except SHOWN_ERRORS as refused:
        view = _page(call, form, t, problem_view(refused, t), field_errors(refused, t))
        return show(request, "phones.html", view, status=status_of(refused))
    url = wallet_url(call, made.secret)
    # Drawn here from an address of our own: markup by its making.
    svg = Markup(picture.draw_link_svg(url, title=t("phones.qr")))  # noqa: S704
    return show(request, "phone_ticket.html", TicketPage(svg, url, made.pin, made.ticket.expires_at))


@router.post("/devices/search")
def search(request: Request, call: OfCall, form: OfForm) -> Response:
    """某人登记过的手机；号码不出现在地址中。"""
    t = texts_for(request)
    try:
        found = call.read(lambda work: [_line(work, row, t) for row in devices.of_holder(work, _holder(form))])
    except SHOWN_ERRORS as refused:
        view = _page(call, form, t, problem_view(refused, t), field_errors(refused, t))
        return show(request, "phones.html", view, status=status_of(refused))
    return show(request, "phones.html", _page(call, form, t, found=found))


@router.post("/devices/{device_id}/end")
def end(request: Request, device_id: str, call: OfCall, form: OfForm) -> Response:
    """挂失或注销一部手机。"""
    call.write(lambda work: devices.end(work, device_id, form.text("reason")))
    return go("/devices", done="phone")


def _holder(form: Form) -> tuple[str, str]:
    return form.text("holder_code_type_code"), form.text("holder_code")


def _page(
    call: Call,
    form: Form,
    t: Texts,
    problem: ProblemView | None = None,
    errors: Mapping[str, str] | None = None,
    found: Sequence[PhoneLine] | None = None,
) -> PhonesPage:
    def ask(work: Work) -> PhonesPage:
        return PhonesPage(
            code_types=wording.code_type_options(t, people_only=True), types=wording.type_options(work),
            venues=[(venue.id, venue.name) for venue in venues.list_all(work)],
            values={name: form.text(name) for name in form.texts},
            chosen=[*form.all("certificate_types"), *form.all("venues")], found=found, errors=errors or {},
            problem=problem,
        )  # fmt: skip

    return call.read(ask)


def _line(work: Work, row: Device, t: Texts) -> PhoneLine:
    department = departments.find(work, row.department)
    status = t("phones.in_use") if row.ended_by_reason is None else t(f"phones.ended.{row.ended_by_reason}")
    return PhoneLine(
        id=row.id, enrolled_at=row.enrolled_at, department=department.short_name if department else row.department,
        renewed_at=row.renewed_at, tone="valid" if row.ended_at is None else "dormant", status=status,
        in_use=row.ended_at is None,
    )  # fmt: skip
