"""Venues: list, register, rule, passes, and the visits that gates handed in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.pages import wording
from api.pages.forms import Form, get_form, whole_number
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.times import SHANGHAI, of_shanghai
from api.pages.venue_page import card_of, form_of, venue_page
from api.pages.venue_views import HoursRow, PassForm, VenueForm, VenuePage, VenuesPage
from api.pages.views import ProblemView
from registry.errors import FieldError, InvalidDraftError, NotFoundError, NotPermittedError
from registry.venues import service as venues
from registry.venues.tables import Venue
from registry.work import Work

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_HOURS_ROWS: Final = 3
_DEFAULT_AREA: Final = "310105"
_NEW: Final = VenueForm(
    name="", address="", area_code=_DEFAULT_AREA, responsible="",
    hours=(HoursRow((1, 2, 3, 4, 5, 6, 7), "08:00", "22:00"), HoursRow((), "", ""), HoursRow((), "", "")),
    admit=(), admit_pass=True, anti_passback="0",
)  # fmt: skip
_PASS_LASTS: Final = timedelta(days=30)


@router.get("/venues")
def list_venues(request: Request, call: OfCall) -> Response:
    """场所列表。"""
    return show(request, "venues.html", _list(call, _NEW, texts_for(request)))


@router.post("/venues")
def register(request: Request, call: OfCall, form: OfForm) -> Response:
    """登记场所。"""
    t = texts_for(request)
    try:
        rule = _rule(form, t)
        venue_id = call.write(
            lambda work: venues.register(
                work, form.text("name"), form.text("address"), form.text("area_code"),
                form.text("responsible").upper(), rule,
            ).id
        )  # fmt: skip
    except SHOWN_ERRORS as refused:
        view = _list(call, _sent(form), t, problem_view(refused, t), field_errors(refused, t))
        return show(request, "venues.html", view, status=status_of(refused))
    return go(f"/venues/{venue_id}", done="venue")


def _list(
    call: Call,
    form: VenueForm,
    t: Texts,
    problem: ProblemView | None = None,
    errors: Mapping[str, str] | None = None,
) -> VenuesPage:
    actor = call.known.actor
    department = None if actor.has_role("administrator", "auditor") else actor.department

    def ask(work: Work) -> VenuesPage:
        types = wording.type_options(work)
        cards = [card_of(row, dict(types), t) for row in venues.list_all(work, department)]
        may_create = actor.has_role("venue") and actor.department is not None
        return VenuesPage(cards, may_create, form, types, errors or {}, problem)

    return call.read(ask)


@router.get("/venues/{venue_id}")
def show_venue(request: Request, venue_id: str, call: OfCall) -> Response:
    """一个场所：规则、通行证、通行记录。"""
    t = texts_for(request)
    return show(request, "venue.html", call.read(lambda work: _venue(work, venue_id, t)))


@router.post("/venues/{venue_id}/rule")
def change_rule(request: Request, venue_id: str, call: OfCall, form: OfForm) -> Response:
    """修改规则；闸口从下一份信任包起照此判断。"""
    t = texts_for(request)
    try:
        rule = _rule(form, t)
        call.write(lambda work: venues.change_rule(work, venue_id, rule))
    except SHOWN_ERRORS as refused:
        return _again(request, call, venue_id, refused, form, "rule")
    return go(f"/venues/{venue_id}", done="rule")


@router.post("/venues/{venue_id}/passes")
def grant_pass(request: Request, venue_id: str, call: OfCall, form: OfForm) -> Response:
    """发放通行证；证件号码只留盲索引。"""
    t = texts_for(request)
    try:
        period = _moment(form, "valid_from", t), _moment(form, "valid_to", t)
        number = form.text("holder_code_type_code"), form.text("holder_code")
        call.write(lambda work: venues.grant_pass(work, venue_id, *number, *period))
    except SHOWN_ERRORS as refused:
        return _again(request, call, venue_id, refused, form, "pass")
    return go(f"/venues/{venue_id}", done="pass")


def _again(request: Request, call: Call, venue_id: str, refused: Exception, form: Form, place: str) -> Response:
    if isinstance(refused, NotFoundError | NotPermittedError):
        raise refused
    t = texts_for(request)
    problem, errors = problem_view(refused, t), field_errors(refused, t)
    sent = _sent(form) if place == "rule" else None
    passed = _sent_pass(form) if place == "pass" else None
    view = call.read(lambda work: _venue(work, venue_id, t, sent, passed, problem, errors, place))
    return show(request, "venue.html", view, status=status_of(refused))


def _venue(
    work: Work,
    venue_id: str,
    t: Texts,
    sent: VenueForm | None = None,
    passed: PassForm | None = None,
    problem: ProblemView | None = None,
    errors: Mapping[str, str] | None = None,
    place: str = "",
) -> VenuePage:
    row = venues.get(work, venue_id)
    _check_may_look(work, row)
    if passed is None:
        begin = work.at.astimezone(SHANGHAI)
        passed = PassForm("111", "", f"{begin:%Y-%m-%dT%H:%M}", f"{begin + _PASS_LASTS:%Y-%m-%dT%H:%M}")
    form = sent or form_of(row, _HOURS_ROWS)
    return venue_page(work, row, form, passed, t, problem=problem, errors=errors or {}, place=place)


def _check_may_look(work: Work, row: Venue) -> None:
    if work.actor.department != row.department and not work.actor.has_role("administrator", "auditor"):
        raise NotPermittedError("not_the_venues_department", "只能查看本部门的场所。")


def _rule(form: Form, t: Texts) -> dict[str, Any]:
    """The rule's JSON of a sent form; rows of hours without a day are left out."""
    hours = [{"days": sorted(row.days), "from": row.start, "to": row.end} for row in _hours(form) if row.days]
    passback = whole_number(form.text("anti_passback") or "0")
    if passback is None:
        raise InvalidDraftError([FieldError("anti_passback", "wrong_form", t("venue.passback_form"))])
    rule = {
        "hours": hours,
        "admit": {"types": form.all("admit"), "pass": form.text("admit_pass") == "yes"},
        "anti_passback_seconds": passback,
        **({"printed_alone": True} if form.text("printed_alone") == "yes" else {}),
    }
    return rule | ({"dynamic_only": True} if form.text("dynamic_only") == "yes" else {})


def _hours(form: Form) -> list[HoursRow]:
    rows = []
    for place in range(_HOURS_ROWS):
        days = [int(day) for day in form.all(f"days{place}") if day in "1234567"]
        rows.append(HoursRow(days, form.text(f"from{place}"), form.text(f"to{place}")))
    return rows


def _sent(form: Form) -> VenueForm:
    return VenueForm(
        name=form.text("name"), address=form.text("address"), area_code=form.text("area_code"),
        responsible=form.text("responsible"), hours=_hours(form), admit=form.all("admit"),
        admit_pass=form.text("admit_pass") == "yes", anti_passback=form.text("anti_passback"),
        dynamic_only=form.text("dynamic_only") == "yes",
        printed_alone=form.text("printed_alone") == "yes",
    )  # fmt: skip


def _sent_pass(form: Form) -> PassForm:
    return PassForm(
        form.text("holder_code_type_code"), form.text("holder_code"), form.text("valid_from"), form.text("valid_to")
    )


def _moment(form: Form, name: str, t: Texts) -> datetime:
    """The time of an input without a zone: Shanghai's."""
    try:
        return of_shanghai(datetime.fromisoformat(form.text(name)))
    except ValueError as wrong:
        raise InvalidDraftError([FieldError(f"{name}_at", "not_a_time", t("venue.not_a_time"))]) from wrong
