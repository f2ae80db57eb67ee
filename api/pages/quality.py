"""The quality of certificates: the table of a month, its CSV, the worklist of one cell, and the reports."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response

from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.imports.guarded import neutral
from api.pages import sparklines, times
from api.pages.forms import Form, get_form
from api.pages.rendering import go, show, texts_for
from api.pages.sparklines import Sparkline, sparkline
from api.pages.texts import Texts
from api.pages.workbooks import CSV_TYPE
from registry.catalogue import service as catalogue
from registry.departments import service as departments
from registry.errors import InvalidDraftError
from registry.quality import service as quality
from registry.quality.rules import MAX_COUNT, Figures, Ratio, month_of
from registry.quality.service import Finding
from registry.quality.trends import MONTH_FACES, MonthRates, trend
from registry.work import Work

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_BAR: Final = 72


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate with what it is made of, and the width of its bar."""

    text: str
    parts: str
    width: int


@dataclass(frozen=True, slots=True)
class FiguresLine:
    """One type of one department."""

    type_name: str
    department: str
    stock: str
    rates: Sequence[tuple[str, Rate]]
    delay: str
    beyond: int
    href: str


@dataclass(frozen=True, slots=True)
class Trend:
    """One rate over the months: drawn, and what a reader who does not see it is told."""

    name: str
    latest: str
    words: str
    line: Sparkline


@dataclass(frozen=True, slots=True)
class TrendRow:
    """The rates of one month, as text; `is_shown` marks the month that the page is about."""

    month: str
    href: str
    is_shown: bool
    rates: Sequence[Rate]


@dataclass(frozen=True, slots=True)
class QualityPage:
    """A month, how it came to it, and the form that reports for it. month: as the browser's field of one takes it."""

    month: str
    month_name: str
    trends: Sequence[Trend]
    rows: Sequence[TrendRow]
    size: tuple[int, int]
    month_faces: int
    lines: Sequence[FiguresLine]
    csv_href: str
    types: Sequence[tuple[str, str]]
    type_code: str = ""
    should_issue: str = ""
    source: str = ""
    errors: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class FindingsPage:
    """The worklist of a cell."""

    title: str
    back: str
    items: Sequence[Finding]
    checked: int
    more: bool


@router.get("/quality")
def show_quality(request: Request, call: OfCall, month: str = "") -> Response:
    """证照质量：一个月的各项指标。"""
    t = texts_for(request)
    try:
        first = month_of(month) if month else None
    except InvalidDraftError as refused:
        return show(request, "quality.html", _page(call, t, None, Form({}, {}), refused), status=422)
    return show(request, "quality.html", _page(call, t, first, Form({}, {})))


@router.post("/quality/reports")
def report(request: Request, call: OfCall, form: OfForm) -> Response:
    """填报本部门的应发证数。"""
    count = form.text("should_issue")
    first: date | None = None
    try:
        first = month_of(form.text("month"))
        number = int(count) if count.isascii() and count.isdigit() and len(count) <= len(str(MAX_COUNT)) else -1
        month = first
        call.write(lambda work: quality.report(work, form.text("type"), month, number, form.text("source")))
    except InvalidDraftError as refused:
        return show(request, "quality.html", _page(call, texts_for(request), first, form, refused), status=422)
    return go("/quality", done="quality", month=form.text("month"))


@router.get("/quality/figures.csv")
def export(request: Request, call: OfCall, month: str) -> Response:
    """一个月的指标，CSV。"""
    t, first = texts_for(request), month_of(month)

    def ask(work: Work) -> list[list[str]]:
        return [_cells(work, one, t) for one in quality.figures(work, first)]

    names = [t(f"quality.{name}") for name in ("pooled", "on_time", "complete", "accurate")]
    header = [t("quality.type"), t("quality.department"), t("quality.month"), t("quality.stock")]
    header += [f"{name} {t(part)}" for name in names for part in ("quality.numerator", "quality.denominator")]
    header += [t("quality.delay_median"), t("quality.delay_p90")]
    text = io.StringIO()
    csv.writer(text).writerows([[neutral(cell) for cell in row] for row in (header, *call.read(ask))])
    name = f'attachment; filename="quality-{first:%Y-%m}.csv"'
    return Response(text.getvalue().encode("utf-8-sig"), media_type=CSV_TYPE, headers={"Content-Disposition": name})


@router.get("/quality/findings")
def show_findings(
    request: Request, call: OfCall, month: str, department: str, type_code: Annotated[str, Query(alias="type")]
) -> Response:
    """一个类型、单位和月份的问题清单。"""
    first, t = month_of(month), texts_for(request)

    def ask(work: Work) -> FindingsPage:
        found = quality.findings(work, first, type_code, department)
        title = f"{catalogue.get_type(work, type_code).name} · {_name(work, department)} · {times.month(first, t)}"
        return FindingsPage(title, f"/quality?month={first:%Y-%m}", found.items, found.checked, found.more)

    return show(request, "quality_findings.html", call.read(ask))


def _page(
    call: Call, t: Texts, month: date | None, form: Form, refused: InvalidDraftError | None = None
) -> QualityPage:
    def ask(work: Work) -> QualityPage:
        first = month or quality.newest_month(work, None)
        types = [(row.code, row.name) for row in catalogue.list_types(work, "certificate")]
        months = trend(work, first)
        return QualityPage(
            month=f"{first:%Y-%m}", month_name=times.month(first, t), trends=_trends(months, t),
            rows=[_row(one, first, t) for one in months], size=(sparklines.WIDTH, sparklines.HEIGHT),
            month_faces=MONTH_FACES,
            lines=[_line(work, one, t) for one in quality.figures(work, first)],
            csv_href=f"/quality/figures.csv?month={first:%Y-%m}", types=types, type_code=form.text("type"),
            should_issue=form.text("should_issue"), source=form.text("source"),
            errors=[error.message for error in refused.errors] if refused else (),
        )  # fmt: skip

    return call.read(ask)


def _ratios(one: MonthRates) -> dict[str, Ratio]:
    return {"pooled": one.pooled, "on_time": one.on_time, "complete": one.complete, "accurate": one.accurate}


def _trends(months: Sequence[MonthRates], t: Texts) -> list[Trend]:
    """The rates that there are any of; nothing is drawn of nothing."""
    found = []
    for name in _ratios(months[-1]):
        ratios = [_ratios(one)[name] for one in months]
        if any(ratio.denominator for ratio in ratios):
            told = t("list.separator").join(
                f"{times.month(one.month, t)} {_rate(ratio, t).text}" for one, ratio in zip(months, ratios, strict=True)
            )
            title = t(f"quality.{name}")
            words = t("quality.trend_words", name=title, count=len(months), rates=told)
            found.append(Trend(title, _rate(ratios[-1], t).text, words, sparkline(ratios)))
    return found


def _row(one: MonthRates, shown: date, t: Texts) -> TrendRow:
    rates = [_rate(ratio, t) for ratio in _ratios(one).values()]
    return TrendRow(times.month(one.month, t), f"/quality?month={one.month:%Y-%m}", one.month == shown, rates)


def _line(work: Work, one: Figures, t: Texts) -> FiguresLine:
    query = urlencode({"month": f"{one.month:%Y-%m}", "type": one.type_code, "department": one.department})
    rates = {"pooled": one.pooled, "on_time": one.on_time, "complete": one.complete, "accurate": one.accurate}
    delay = t("quality.delay_days", median=one.delay_median, p90=one.delay_p90) if one.registered else "—"
    return FiguresLine(
        type_name=catalogue.get_type(work, one.type_code).name, department=_name(work, one.department),
        stock=t("quality.historic" if one.historic else "quality.incremental"),
        rates=[(t(f"quality.{name}"), _rate(ratio, t)) for name, ratio in rates.items()], delay=delay,
        beyond=one.beyond_report, href=f"/quality/findings?{query}",
    )  # fmt: skip


def _rate(ratio: Ratio | None, t: Texts) -> Rate:
    if ratio is None:
        return Rate("—", t("quality.not_reported"), 0)
    parts = f"{ratio.numerator:,} / {ratio.denominator:,}"
    if ratio.rate is None:
        return Rate("—", parts, 0)
    # Cut, not rounded: 99.96 % is not 100 %.
    tenths = 1000 * ratio.numerator // ratio.denominator
    return Rate(f"{tenths // 10}.{tenths % 10}%", parts, _BAR * ratio.numerator // ratio.denominator)


def _name(work: Work, code: str) -> str:
    found = departments.find(work, code)
    return found.name if found else code


def _cells(work: Work, one: Figures, t: Texts) -> list[str]:
    cells = [
        catalogue.get_type(work, one.type_code).name, _name(work, one.department), f"{one.month:%Y-%m}",
        t("quality.historic" if one.historic else "quality.incremental"),
    ]  # fmt: skip
    for ratio in (one.pooled, one.on_time, one.complete, one.accurate):
        cells += ["—", "—"] if ratio is None else [str(ratio.numerator), str(ratio.denominator)]
    return cells + ["—" if days is None else str(days) for days in (one.delay_median, one.delay_p90)]
