"""The state of certificates: as of a moment, one decision about one, one decision about many."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from api.http.calls import Answer, Call, get_call
from api.http.certificates import Event, event_of
from api.http.forms import USUAL, Incoming, Moment, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.certificates import changing, sight
from registry.certificates import service as certificates
from registry.errors import BusyError, FieldError, InvalidDraftError
from registry.statuses.bulk import Decided, Undecided
from registry.work import Work
from verifier.status import CHINESE

router = APIRouter(prefix="/api/v1", tags=["证照"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]

_MOST = changing.MAX_CHANGED
_UNKNOWN = "本部门没有这个编号的证照。"


class StatusForm(Incoming):
    """A legal event about a certificate."""

    operation: Literal[
        "suspend", "return", "lapse", "cancel", "revoke", "penalise", "transfer_out", "cancel_transfer", "report_loss",
        "recover",
    ] = Field(description="暂扣、发还、过期失效、注销、撤销、吊销、转出、取消转出、挂失、解除挂失")  # fmt: skip
    reason: str = Field(max_length=500, description="事由")
    authority: str | None = Field(default=None, max_length=18, description="决定机关代码，缺省为颁发机构")
    effective_at: Moment | None = Field(default=None, description="生效时间，缺省为现在", strict=False)
    document: str | None = Field(default=None, max_length=200, description="文书编号")


class StatusAt(Outgoing):
    """How a certificate stood at a moment."""

    id: str
    at: datetime
    known_at: datetime
    status: str
    status_name: str
    began: bool = Field(description="已过颁发日期与有效期起始日")
    ended: bool = Field(description="已过有效期截止日")
    in_force: bool = Field(description="当时可以依据：状态有效且在有效期内")
    event: Event | None = Field(description="决定当时状态的变更；从未变更为 null")


class Numbers(Incoming):
    """Certificates of one type by their printed numbers; of each number the newest version."""

    type_code: str = Field(max_length=32, description="证照类型代码，21 位")
    numbers: list[Annotated[str, Field(max_length=64)]] = Field(min_length=1, max_length=_MOST, description="证照编号")


class StatusChanges(StatusForm):
    """The same legal event about many certificates: either `ids` or `of`."""

    ids: list[Annotated[str, Field(max_length=32)]] | None = Field(
        default=None, min_length=1, max_length=_MOST, description="证照的编号（id）"
    )
    of: Numbers | None = Field(default=None, description="或者按类型和证照编号")
    effective_at: Moment | None = Field(default=None, description="生效时间，缺省为现在", strict=False)


class Item(Outgoing):
    """What became of one certificate."""

    id: str | None = Field(description="null：没有这个编号的证照")
    number: str | None = None
    outcome: str = Field(description="changed 已变更，unchanged 先前已作同一变更，refused 未变更")
    status: str | None = None
    event_id: str | None = None
    reason: str | None = None
    message: str | None = None


class Changed(Outgoing):
    """What became of all of them."""

    changed: int
    unchanged: int
    refused: int
    items: list[Item] = Field(description="逐份结果，按提交的顺序；找不到的编号在最后")


@router.get("/certificates/{certificate_id}/status", summary="某一时刻的状态", responses=problems(404))
def get_status(
    certificate_id: str,
    call: OfCall,
    at: Annotated[Moment | None, Query(description="哪一时刻，缺省为现在；须带时区")] = None,
    known_at: Annotated[
        Moment | None, Query(description="只按此时已登记的变更判断，缺省为现在已知的全部；须带时区")
    ] = None,
) -> StatusAt:
    """法律状态按生效时间计；追溯生效的撤销也改变过去，可用 known_at 还原当时所知。"""

    def ask(work: Work) -> StatusAt:
        row = sight.look_at(work, certificate_id)
        standing = certificates.standing_at(work, row, at or work.at, known_at)
        return StatusAt(
            id=row.id,
            at=standing.at,
            known_at=known_at or work.at,
            status=standing.status.name.lower(),
            status_name=CHINESE[standing.status],
            began=standing.began,
            ended=standing.ended,
            in_force=standing.in_force,
            event=event_of(standing.event) if standing.event else None,
        )

    return call.read(ask)


@router.post(
    "/certificates/{certificate_id}/status", response_model=Event, summary="变更状态", responses=problems(404, 409)
)
def change_status(certificate_id: str, body: StatusForm, call: OfCall) -> Response:
    """记录一次有依据、有生效时间的状态变更；延续与变更请登记新证照并填写关联证照标识。"""

    def act(work: Work) -> Answer:
        event = certificates.change_status(
            work, certificate_id, body.operation, body.reason, body.authority, body.effective_at, body.document
        )
        return Answer(HTTPStatus.OK, event_of(event))

    return call.answer(act)


@router.post("/status-changes", response_model=Changed, summary="批量变更状态", responses=problems(403))
def change_statuses(body: StatusChanges, call: OfCall) -> Response:
    """同一决定适用于许多证照，逐份判断是否合法，不合法的不影响其他；分批落盘，全部落盘后答复。

    可以重复：中途断开的，以原请求重发即从断处继续，已变更的答复 unchanged。
    """
    if (body.ids is None) == (body.of is None):
        message = "请填写 ids 或 of 之一：证照的编号，或类型与证照编号。"
        raise InvalidDraftError([FieldError("ids", "one_of_two", message)])

    def act() -> Answer:
        ids, missing, now = call.read(partial(_asked_for, body))
        items: list[Item] = []
        for some in changing.parts(ids):
            items += [_item(one) for one in _decide(call, body, some, now, done=len(items))]
        items += [
            Item(id=None, number=one, outcome="refused", reason="certificate_unknown", message=_UNKNOWN)
            for one in missing
        ]
        counts = {name: sum(one.outcome == name for one in items) for name in ("changed", "unchanged", "refused")}
        return Answer(HTTPStatus.OK, Changed(**counts, items=items))

    return call.answer_in_parts(act)


def _asked_for(body: StatusChanges, work: Work) -> tuple[list[str], list[str], datetime]:
    """The ids of the certificates, the numbers that none has, and the moment of the decision."""
    if body.of is None:
        return body.ids or [], [], work.at
    return *changing.find_by_numbers(work, body.of.type_code, body.of.numbers), work.at


def _decide(call: Call, body: StatusChanges, ids: list[str], now: datetime, done: int) -> list[Decided | Undecided]:
    """One part, committed when this returns. Raises BusyError, which tells how many before it are."""
    effective_at = body.effective_at or now
    try:
        return call.write(
            lambda work: changing.change_many(
                work, ids, body.operation, body.reason, body.authority, effective_at, body.document
            )
        )
    except BusyError as busy:
        if not done:
            raise
        message = f"系统繁忙：前 {done} 份已办理并落盘，其余未办理；请以原请求重发，已办理的不会重复。"
        raise BusyError("partly_done", message) from busy


def _item(one: Decided | Undecided) -> Item:
    if isinstance(one, Undecided):
        return Item(id=one.id, outcome="refused", reason=one.reason, message=one.message)
    outcome = "unchanged" if one.duplicate else "changed"
    return Item(id=one.id, outcome=outcome, status=one.status.name.lower(), event_id=one.event_id)
