"""The inbox of a department, and the working-day calendar that deadlines are counted on."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
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
from registry.calendar.rules import SpecialDay
from registry.catalogue import service as catalogue
from registry.certificates import masking
from registry.certificates import service as certificates
from registry.errors import FieldError, InvalidDraftError
from registry.notices import service as notices
from registry.notices.tables import Notice
from registry.work import Work
from verifier.times import shanghai_day

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_ROWS: Final = 30
#: A year of days is some 2 KB.
_MAX_SHEET_BYTES: Final = 16 * 1024


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
    return show(request, "calendar.html", _calendar(call, texts_for(request), str(year), "", ""))


@router.post("/calendar")
def load_calendar(request: Request, call: OfCall, form: OfForm) -> Response:
    """先看载入一年的放假与调休安排会改变什么，再载入，替换该年原有的。"""
    t, year, source = texts_for(request), form.text("year"), form.text("source")
    number = int(year) if year.isdecimal() and len(year) == 4 else 0
    days = form.exact("days")
    try:
        days = _sheet(form) or days
        if form.text("do") == "load":
            call.write(lambda work: calendars.load(work, number, days, source))
            return go("/calendar", done="calendar")
        found = call.read(lambda work: calendars.look(work, number, days, source))
    except InvalidDraftError as refused:
        errors = [error.message for error in refused.errors]
        view = replace(_calendar(call, t, year, source, days), errors=errors)
        return show(request, "calendar.html", view, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    coming, going = (
        [_special(one, said, t) for one in some] for some, said in ((found.coming, source), (found.going, "—"))
    )
    view = replace(_calendar(call, t, year, source, days), coming=coming, going=going)
    return show(request, "calendar.html", view)


def _sheet(form: Form) -> str:
    """The text of a CSV file, if one was chosen: UTF-8, or GB 18030 as Chinese spreadsheets write it."""
    upload = form.upload("file")
    if upload is None:
        return ""
    data = upload.content.read(_MAX_SHEET_BYTES + 1)
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if len(data) <= _MAX_SHEET_BYTES and text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable():
            return text
    raise InvalidDraftError([FieldError("file", "not_a_sheet", "文件不是 CSV 文本；请在表格软件中另存为 CSV 再上传。")])


def _calendar(call: Call, t: Texts, year: str, source: str, days: str) -> CalendarPage:
    def ask(work: Work) -> CalendarPage:
        years: dict[int, list[CalendarLine]] = {}
        for row in calendars.days(work):
            years.setdefault(row.day.year, []).insert(
                0, _special(SpecialDay(row.day, row.kind, row.name), row.source, t)
            )
        return CalendarPage(years, year, source, days)

    return call.read(ask)


def _special(one: SpecialDay, source: str, t: Texts) -> CalendarLine:
    return CalendarLine(one.day, t(f"calendar.{one.kind}"), one.name, source)
