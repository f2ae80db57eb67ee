"""Figures of quality, what is wrong in one cell of them, and the reports of departments."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from api.http.calls import Answer, Call, get_call
from api.http.forms import USUAL, Incoming, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.quality import service as quality
from registry.quality.rules import Figures, Ratio, month_of
from registry.work import Work

router = APIRouter(prefix="/api/v1", tags=["证照质量"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]
OfMonth = Annotated[str, Query(max_length=7, description="颁发月份，如 2026-01")]


class RatioShown(Outgoing):
    """So many of so many; `rate` is null where the denominator is 0."""

    numerator: int
    denominator: int
    rate: float | None


class FiguresShown(Outgoing):
    """A type of a department in a month of issue."""

    type_code: str
    department: str
    historic: bool = Field(description="存量：早于该类型开始归集的月份")
    registered: int
    should_issue: int | None = Field(description="应发证数；未填报为 null")
    beyond_report: int = Field(description="归集数多于应发证数的部分，应核对填报")
    pooled: RatioShown | None = Field(description="归集率；未填报为 null")
    on_time: RatioShown = Field(description="归集及时率：颁发当日登记")
    delay_median: int | None = Field(description="归集延迟的中位数，工作日")
    delay_p90: int | None = Field(description="归集延迟的第 90 百分位数，工作日")
    complete: RatioShown = Field(description="完整度；分母为已检查数")
    accurate: RatioShown = Field(description="准确度；分母为已检查数")


class AllFigures(Outgoing):
    """The figures of a month."""

    month: str
    items: list[FiguresShown]
    next_cursor: None = None


class FindingShown(Outgoing):
    """A fault of a certificate, without values of its face."""

    certificate_id: str
    kind: str = Field(description="complete 完整度，accurate 准确度")
    rule: str
    field: str
    message: str
    action: str


class AllFindings(Outgoing):
    """Faults of a cell."""

    items: list[FindingShown]
    checked: int = Field(description="已检查的证照数")
    more: bool = Field(description="还有未列出的问题或未检查的证照")


class NewReport(Incoming):
    """How many the department should have issued."""

    type_code: str = Field(max_length=21)
    month: str = Field(max_length=7, description="颁发月份，如 2026-01")
    should_issue: int = Field(description="应发证数，来自办件结果")
    source: str = Field(max_length=100, description="依据，如办件系统统计")


class ReportShown(Outgoing):
    """A report as it stands."""

    type_code: str
    department: str
    month: str
    should_issue: int
    source: str
    reported_at: datetime


@router.get("/quality", summary="证照质量")
def figures(call: OfCall, month: OfMonth, department: str | None = Query(None, max_length=18)) -> AllFigures:
    """按证照类型、发证单位和颁发月份的归集率、及时率、完整度和准确度，均附分子与分母。"""
    first = month_of(month)
    found = call.read(lambda work: quality.figures(work, first, department))
    return AllFigures(month=month, items=[_shown(one) for one in found])


@router.get("/quality/findings", summary="证照质量问题清单")
def findings(
    call: OfCall,
    month: OfMonth,
    type_code: Annotated[str, Query(alias="type", max_length=21)],
    department: Annotated[str, Query(max_length=18)],
) -> AllFindings:
    """某类型、某单位、某月的证照中哪些不完整或不准确，怎么办。"""
    first = month_of(month)
    found = call.read(lambda work: quality.findings(work, first, type_code, department))
    items = [
        FindingShown(
            certificate_id=one.certificate_id, kind=one.fault.kind, rule=one.fault.rule, field=one.fault.field,
            message=one.fault.message, action=one.fault.action,
        )
        for one in found.items
    ]  # fmt: skip
    return AllFindings(items=items, checked=found.checked, more=found.more)


@router.post("/quality/reports", summary="填报应发证数", status_code=201, responses=problems(404))
def report(body: NewReport, call: OfCall) -> Response:
    """填报本部门某月应发证数；重复填报以最后一次为准。"""
    first = month_of(body.month)

    def act(work: Work) -> Answer:
        row = quality.report(work, body.type_code, first, body.should_issue, body.source)
        shown = ReportShown(
            type_code=row.type_code, department=row.department, month=body.month, should_issue=row.should_issue,
            source=row.source, reported_at=row.reported_at,
        )  # fmt: skip
        return Answer(HTTPStatus.CREATED, shown)

    return call.answer(act)


def _ratio(ratio: Ratio) -> RatioShown:
    return RatioShown(numerator=ratio.numerator, denominator=ratio.denominator, rate=ratio.rate)


def _shown(one: Figures) -> FiguresShown:
    return FiguresShown(
        type_code=one.type_code, department=one.department, historic=one.historic, registered=one.registered,
        should_issue=one.should_issue, beyond_report=one.beyond_report,
        pooled=None if one.pooled is None else _ratio(one.pooled), on_time=_ratio(one.on_time),
        delay_median=one.delay_median, delay_p90=one.delay_p90, complete=_ratio(one.complete),
        accurate=_ratio(one.accurate),
    )  # fmt: skip
