"""The inbox of a department, and the working-day calendar that deadlines are counted on."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.pages import wording
from api.pages.dispute_views import CalendarLine, CalendarPage, NoticeLine, NoticesPage
from api.pages.forms import Form, get_form
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from registry.calendar import service as calendars
from registry.catalogue import service as catalogue
from registry.certificates import masking
from registry.certificates import service as certificates
from registry.errors import InvalidDraftError
from registry.notices import service as notices
from registry.notices.tables import Notice
from registry.work import Work
from verifier.times import shanghai_day

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_ROWS: Final = 30


@router.get("/notices")
def list_notices(request: Request, call: OfCall, cursor: str = "") -> Response:
    """通知：本部门用过的证照变了，或有异议等本部门处理。"""
    t = texts_for(request)

    def ask(work: Work) -> NoticesPage:
        rows = notices.inbox(work, work.actor.department or "", cursor or None, _ROWS + 1)
        further = f"/notices?cursor={rows[_ROWS - 1].id}" if len(rows) > _ROWS else None
        return NoticesPage([_line(work, row, t) for row in rows[:_ROWS]], further)

    return show(request, "notices.html", call.read(ask))


@router.post("/notices/{notice_id}/read")
def read_notice(notice_id: str, call: OfCall) -> Response:
    """标为已读，并打开通知所说的内容。"""
    return go(call.write(lambda work: _href(work, notices.mark_read(work, notice_id))))


def _line(work: Work, row: Notice, t: Texts) -> NoticeLine:
    certificate = certificates.find(work, row.item_id) if row.item_kind == "certificate" else None
    name = t("kind.material")
    if certificate is not None:
        number = masking.masked(work, certificate, work.actor)["certificate_number"]
        name = f"{catalogue.get_type(work, certificate.type_code).name} {number}"
    status = "" if row.status is None else wording.status_name(row.status, t)
    return NoticeLine(
        id=row.id, title=t(f"notice.{row.kind}", status=status), text=name, sent_at=row.sent_at, read_at=row.read_at,
    )  # fmt: skip


def _href(work: Work, row: Notice) -> str:
    if row.use_id and work.actor.has_role("window"):
        return f"/uses/{row.use_id}"
    if row.dispute_id and not row.use_id:
        return f"/disputes/{row.dispute_id}"
    return "/notices" if row.item_kind != "certificate" else f"/certificates/{row.item_id}"


@router.get("/calendar")
def show_calendar(request: Request, call: OfCall) -> Response:
    """工作日历：放假与调休上班的日子。"""
    year = shanghai_day(call.services.clock()).year
    return show(request, "calendar.html", _calendar(call, texts_for(request), Form({"year": [str(year)]}, {})))


@router.post("/calendar")
def load_calendar(request: Request, call: OfCall, form: OfForm) -> Response:
    """载入一年的放假与调休安排，替换该年原有的。"""
    year = form.text("year")
    try:
        call.write(
            lambda work: calendars.load(
                work, int(year) if year.isdecimal() and len(year) == 4 else 0, form.exact("days"), form.text("source")
            )
        )
    except InvalidDraftError as refused:
        view = _calendar(call, texts_for(request), form, refused)
        return show(request, "calendar.html", view, status=422)
    return go("/calendar", done="calendar")


def _calendar(call: Call, t: Texts, form: Form, refused: InvalidDraftError | None = None) -> CalendarPage:
    def ask(work: Work) -> CalendarPage:
        lines = [CalendarLine(row.day, t(f"calendar.{row.kind}"), row.name, row.source) for row in calendars.days(work)]
        errors = [error.message for error in refused.errors] if refused else []
        return CalendarPage(lines, form.text("year"), form.text("source"), form.exact("days"), errors)

    return call.read(ask)
