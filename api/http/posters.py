"""Applications for venue codes, numbered posters, sightings, reports and alarms."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.http.calls import Answer, Call, get_call
from api.http.codes import number_of, signing_key
from api.http.forms import USUAL, HolderReference, Incoming, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.applications import service as applications
from registry.applications.tables import Application
from registry.codes import service as codes
from registry.codes.tables import Code
from registry.posters import rules
from registry.posters import service as posters
from registry.posters.tables import Poster
from registry.venues import service as venues
from registry.work import Work
from verifier.status import Status

router = APIRouter(prefix="/api/v1", tags=["场所码"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class NewApplication(Incoming):
    """An application for a venue code."""

    unit: str = Field(max_length=18, description="申请单位的统一社会信用代码")
    applicant: HolderReference = Field(description="申请人")
    applicant_role: str = Field(max_length=10, description="legal 法定代表人，handler 授权经办人")
    document: str = Field(max_length=200, description="核对的材料名称和编号，不写姓名")
    name: str = Field(max_length=60, description="场所的真实名称")
    address: str = Field(max_length=200, description="场所的真实地址")
    area_code: str = Field(default="310105", max_length=6, description="属地编码")
    department: str | None = Field(default=None, max_length=18, description="审核部门，缺省为本部门")


class ApplicationShown(Outgoing):
    """An application; who applied is not shown."""

    id: str
    unit: str
    applicant_role: str
    document: str
    name: str
    address: str
    department: str
    state: str = Field(description="open 待审核，approved 已通过，refused 未通过")
    reason: str | None
    venue_id: str | None
    applied_at: datetime
    decided_at: datetime | None


class Applications(Outgoing):
    """Applications, those that wait first."""

    items: list[ApplicationShown]
    next_cursor: None = None


class Decision(Incoming):
    """What was decided."""

    approved: bool
    reason: str = Field(default="", max_length=300, description="不予通过时必填")


class NewPosters(Incoming):
    """How many posters to make."""

    count: int = Field(ge=1, le=rules.MAX_AT_ONCE)


class PosterShown(Outgoing):
    """A poster."""

    number: int = Field(description="第几张")
    code_id: str
    text: str = Field(description="码的内容，SZ1: 开头")
    status: str
    place: str | None = Field(description="张贴位置；未张贴则为空")
    geohash: str | None
    bound_at: datetime | None


class Posters(Outgoing):
    """A venue's posters."""

    items: list[PosterShown]
    next_cursor: None = None


class PutUp(Incoming):
    """Where a poster hangs."""

    place: str = Field(max_length=60, description="张贴位置")
    geohash: str | None = Field(default=None, max_length=9, description="坐标，5 至 9 位 geohash")


class Seen(Incoming):
    """A scan that tells its coarse place."""

    cell: str = Field(max_length=12, description="5 位 geohash（约 4.9 公里见方），由扫码的设备先模糊后再发")


class Report(Incoming):
    """What is wrong with a poster."""

    kind: str = Field(max_length=10, description="、".join(f"{key} {name}" for key, name in rules.REPORTED.items()))
    note: str = Field(default="", max_length=300, description="说明，不写个人信息")


class Received(Outgoing):
    """It was received."""

    received: bool = True


class AlarmShown(Outgoing):
    """An alarm."""

    id: str
    venue_id: str
    venue_name: str
    number: int
    code_id: str
    kind: str
    kind_name: str
    note: str
    raised_at: datetime


class Alarms(Outgoing):
    """Open alarms."""

    items: list[AlarmShown]
    next_cursor: None = None


class Closing(Incoming):
    """What came of an alarm."""

    outcome: str = Field(max_length=300, description="核查结果")
    withdraw: bool = Field(default=False, description="同时停用这张海报的码")


def _poster(poster: Poster, code: Code) -> PosterShown:
    return PosterShown(
        number=poster.number, code_id=poster.code_id, text=code.text, status=Status(code.status).name.lower(),
        place=poster.place, geohash=poster.geohash, bound_at=poster.bound_at,
    )  # fmt: skip


def _watched(call: Call) -> str | None:
    actor = call.known.actor
    return None if actor.has_role("administrator", "auditor") else actor.department


@router.post(
    "/venue-applications",
    status_code=201,
    response_model=ApplicationShown,
    summary="申请场所码",
    responses=problems(404, 409),
)
def apply(body: NewApplication, call: OfCall) -> Response:
    """窗口收件：法定代表人或授权经办人代表单位申请。"""

    def act(work: Work) -> Answer:
        # Only an administrator may hand an application to another department.
        department = body.department if work.actor.has_role("administrator") else None
        row = applications.apply(
            work, body.unit, number_of(body.applicant), body.applicant_role, body.document, body.name, body.address,
            body.area_code, department,
        )  # fmt: skip
        return Answer(HTTPStatus.CREATED, ApplicationShown.model_validate(row))

    return call.answer(act)


@router.get("/venue-applications", summary="场所码申请列表")
def list_applications(call: OfCall) -> Applications:
    """待审核的在前。"""
    rows: list[Application] = call.read(lambda work: applications.list_all(work, _watched(call)))
    return Applications(items=[ApplicationShown.model_validate(row) for row in rows])


@router.post(
    "/venue-applications/{application_id}/decision",
    response_model=ApplicationShown,
    summary="审核场所码申请",
    responses=problems(404, 409, 503),
)
def decide(application_id: str, body: Decision, call: OfCall) -> Response:
    """通过则登记场所并签发场所码；不予通过须写明理由。收件人不能审核自己收的件。"""
    key = signing_key(call)

    def act(work: Work) -> Answer:
        row = applications.decide(work, application_id, approved=body.approved, reason=body.reason, key=key)
        return Answer(HTTPStatus.OK, ApplicationShown.model_validate(row))

    return call.answer(act)


@router.post(
    "/venues/{venue_id}/posters",
    status_code=201,
    response_model=Posters,
    summary="制作海报",
    responses=problems(404, 503),
)
def make(venue_id: str, body: NewPosters, call: OfCall) -> Response:
    """每张海报有自己的编号和码，与场所码同一代次。"""
    key = signing_key(call)

    def act(work: Work) -> Answer:
        made = posters.make(work, venue_id, body.count, key)
        items = [_poster(poster, codes.get(work, poster.code_id)) for poster in made]
        return Answer(HTTPStatus.CREATED, Posters(items=items))

    return call.answer(act)


@router.get("/venues/{venue_id}/posters", summary="场所的海报", responses=problems(404))
def list_posters(venue_id: str, call: OfCall) -> Posters:
    """新做的在前。"""

    def ask(work: Work) -> Posters:
        venues.own(work, venue_id)
        return Posters(items=[_poster(poster, code) for poster, code in posters.of_venue(work, venue_id)])

    return call.read(ask)


@router.post("/posters/{code_id}/place", response_model=PosterShown, summary="登记张贴位置", responses=problems(404))
def put_up(code_id: str, body: PutUp, call: OfCall) -> Response:
    """由现场工作人员登记。"""

    def act(work: Work) -> Answer:
        poster = posters.put_up(work, code_id, body.place, body.geohash)
        return Answer(HTTPStatus.OK, _poster(poster, codes.get(work, code_id)))

    return call.answer(act)


@router.post("/posters/{code_id}/sightings", summary="报告扫到的大致位置", responses=problems(404, 429))
def notice(code_id: str, body: Seen, call: OfCall) -> Received:
    """无需登录，不记录是谁扫的；只收 5 位 geohash，一天后删除。同一张海报在不可能的时间、距离内被扫会告警。"""
    call.write_as_anyone(lambda work: posters.notice(work, code_id, body.cell))
    return Received()


@router.post("/posters/{code_id}/reports", status_code=201, summary="举报海报", responses=problems(404, 413, 429))
def report(code_id: str, body: Report, call: OfCall) -> Received:
    """无需登录：被移动、复制、覆盖等。"""
    call.write_as_anyone(lambda work: posters.report(work, code_id, body.kind, body.note))
    return Received()


@router.get("/poster-alarms", summary="海报告警")
def list_alarms(call: OfCall) -> Alarms:
    """本部门场所的未办结告警，先发生的在前。"""
    found = call.read(lambda work: posters.list_alarms(work, _watched(call)))
    items = [
        AlarmShown(
            id=alarm.id, venue_id=venue.id, venue_name=venue.name, number=poster.number, code_id=poster.code_id,
            kind=alarm.kind, kind_name=rules.ALARMS[alarm.kind], note=alarm.note, raised_at=alarm.raised_at,
        )
        for alarm, poster, venue in found
    ]  # fmt: skip
    return Alarms(items=items)


@router.post(
    "/poster-alarms/{alarm_id}/closing", response_model=Received, summary="办结告警", responses=problems(404, 409)
)
def close(alarm_id: str, body: Closing, call: OfCall) -> Response:
    """写明核查结果；可同时停用这张海报的码。"""

    def act(work: Work) -> Answer:
        posters.close(work, alarm_id, body.outcome, withdraw=body.withdraw)
        return Answer(HTTPStatus.OK, Received())

    return call.answer(act)
