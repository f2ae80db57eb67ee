"""What anyone may have: the trust bundle, the log's files, how the system stands, and whether it lives."""

from __future__ import annotations

import gzip
import logging
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError

from api.composition import Services
from api.errors import ProblemError
from api.http.calls import Call, get_call
from api.http.forms import Outgoing, problems
from api.http.guard import GuardedRoute
from registry.chain_turns import ON_CHAIN
from registry.log.standing import log_standing
from registry.uses.consuming import ClaimStanding, claim_standing
from registry.work import REGISTRY

router = APIRouter(tags=["公开"], route_class=GuardedRoute)
OfCall = Annotated[Call, Depends(get_call)]

Since = Annotated[int | None, Query(ge=1, le=2**63 - 1, description="现有信任包的版本")]

AnchoringState = Literal["none", "current", "behind", "away", "hindered", "stopped"]

_A_YEAR: Final = "public, max-age=31536000, immutable"
_NOT_KEPT: Final = "no-cache"
#: A new head is read soon, and a cache in front of us still takes what all its clients ask for in a second or two.
_SECONDS: Final = "public, max-age=2"
#: Bundles of entries that are kept compressed: a few megabytes, and mirrors all ask for the same ones.
_SQUEEZED: Final = 64

_log = logging.getLogger("suizheng.health")


class ChainStanding(Outgoing):
    """How the chain is doing."""

    state: str = Field(description="up 正常，down 暂不可用，wrong 不是登记在案的链，none 未使用链")
    message: str | None = None
    chain_id: int | None = None
    height: int | None = None
    block_at: datetime | None = None
    unconfirmed: int = Field(default=0, description="已发出、尚未确认的交易数")
    unknown: int = Field(default=0, description="其中节点未答复是否收到的交易数")


class AnchoringStanding(Outgoing):
    """How far the chain is behind what was acknowledged, since when, and why."""

    state: AnchoringState = Field(
        description="current 已全部上链，behind 正在上链，away 链暂不可达，hindered 链或合约拒绝、稍后重试，"
        "stopped 已停止锚定、须人工核查（登记与核验不受影响），none 未使用链"
    )
    behind: int = Field(description="尚未上链的条目数，含等待进入日志的；恢复后以一笔交易补齐")
    since: datetime | None = Field(description="其中最早一条的受理时间")
    reason: str | None
    message: str | None
    claims: int = Field(description="尚未由链判定首次使用的一次性材料数")
    claims_since: datetime | None


class WitnessStanding(Outgoing):
    """How a witness of the log is doing."""

    name: str
    size: int = Field(description="最近一次联署的日志头的大小")
    lag: int = Field(description="比日志少的条目数")
    cosigned_at: datetime | None = Field(description="最近一次联署的时间，由见证方所写")
    asked_at: datetime | None
    reason: str | None = Field(description="最近一次没有联署的原因；联署后为空")
    message: str | None


class WorkerStanding(Outgoing):
    """How the worker is doing."""

    state: str
    alive: bool
    failures_in_a_row: int
    reason: str | None
    message: str | None


class Standing(Outgoing):
    """How far log and chain are behind what was acknowledged."""

    at: datetime
    origin: str = Field(description="存证日志的名称")
    waiting: int = Field(description="已受理、尚未进入日志的条目数")
    oldest_waiting_at: datetime | None
    unsigned: int = Field(description="等待自行签署的部门签署的条目数，不计入前面的等待")
    size: int = Field(description="日志条目数")
    anchored_size: int = Field(description="已上链的日志头覆盖的条目数")
    anchored_at: datetime | None = Field(description="最近一次上链的区块时间")
    unanchored: int = Field(description="尚未上链的条目数，含等待进入日志的")
    anchoring: AnchoringStanding
    chain: ChainStanding
    worker: WorkerStanding
    witnesses: list[WitnessStanding] = Field(description="见证方；没有设置则为空")
    witness_threshold: int = Field(description="核验所要求的见证方数")


def standing_of(services: Services) -> Standing:
    """The system's standing now. Raises sqlalchemy's errors when the database is away."""
    with services.registry.read(REGISTRY) as work:
        log, claims = log_standing(work), claim_standing(work)
    report = services.worker.report()
    return Standing(
        at=services.clock(),
        origin=services.pipeline.origin,
        waiting=log.waiting,
        oldest_waiting_at=log.oldest_waiting_at,
        unsigned=log.unsigned,
        size=log.size,
        anchored_size=log.anchored_size,
        anchored_at=log.anchored_at,
        unanchored=log.unanchored,
        anchoring=_anchoring(services, log.unanchored, log.uncovered_since_at, claims),
        chain=_chain(services),
        worker=WorkerStanding.model_validate(report),
        witnesses=_witnesses(services, log.size),
        witness_threshold=services.settings.witness_threshold,
    )


def _witnesses(services: Services, size: int) -> list[WitnessStanding]:
    asker = services.pipeline.witnesses
    known = asker.standing() if asker is not None else []
    # A witness may have cosigned since the size was read.
    return [WitnessStanding(**asdict(one), lag=max(0, size - one.size)) for one in known]


def _anchoring(services: Services, behind: int, since: datetime | None, claims: ClaimStanding) -> AnchoringStanding:
    progress = services.worker.report().progress
    problems = [one for one in progress.problems if one.step in ON_CHAIN] if progress else []
    problem = problems[0] if problems else None
    state: AnchoringState = "behind" if behind or claims.waiting else "current"
    if services.chain is None:
        state = "none"
    elif progress is not None and progress.anchoring_stopped is not None:
        state, problem = "stopped", progress.anchoring_stopped
    elif progress is not None and progress.chain_down:
        state = "away"
    elif problem is not None:
        state = "hindered"
    return AnchoringStanding(
        state=state,
        behind=behind,
        since=since if behind else None,
        reason=problem.reason if problem else None,
        message=problem.message if problem else None,
        claims=claims.waiting,
        claims_since=claims.oldest_at,
    )


def _chain(services: Services) -> ChainStanding:
    if services.chain is None:
        return ChainStanding(state="none")
    return ChainStanding.model_validate(services.chain.status())


@router.get(
    "/api/v1/trust",
    summary="信任包",
    response_class=Response,
    responses={200: {"content": {"application/json": {}}}, 304: {"description": "未变化"}, **problems(503)},
)
def get_trust(request: Request, call: OfCall, since: Since = None) -> Response:
    """最新的信任包：谁可以签什么、已上链的日志头、状态列表。离线核验与闸口以它为准。

    给出 since 时只答复自该版本以来的变动；该版本已不再保存的，答复整个信任包。
    """
    trust = call.services.trust
    published = trust.newest() if since is None else trust.update_since(since)
    headers = {"ETag": published.tag, "Cache-Control": _NOT_KEPT}
    if has_already(request.headers.get("if-none-match", ""), published.tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    headers["Content-Disposition"] = 'attachment; filename="trust.json"'
    return Response(published.data, media_type="application/json", headers=headers)


def has_already(if_none_match: str, tag: str) -> bool:
    """Whether a client with this If-None-Match has what bears this tag (RFC 9110 13.1.2, by the weak comparison)."""
    return any(one.strip().removeprefix("W/") in (tag, "*") for one in if_none_match.split(","))


@router.get("/api/v1/status", summary="运行状态")
def get_status(call: OfCall) -> Standing:
    """日志与链落后于已受理内容的程度。"""
    return standing_of(call.services)


@router.get("/healthz", summary="存活检查", responses=problems(503))
def get_health(call: OfCall) -> dict[str, str]:
    """数据库可用、后台处理正常则答复 200，否则 503。"""
    services = call.services
    try:
        with services.registry.read(REGISTRY) as work:
            work.session.connection().exec_driver_sql("SELECT 1")
    except SQLAlchemyError as error:
        _log.error("the database does not answer", exc_info=error)
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "database_unavailable", "数据库不可用。") from error
    report = services.worker.report()
    if not report.is_well:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE, "worker_not_well", f"后台处理未正常运行：{report.message or report.state}。"
        )
    return {"state": "ok", "worker": report.state}


@router.head("/log/{path:path}", include_in_schema=False)
@router.get(
    "/log/{path:path}",
    summary="存证日志文件",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}, "application/octet-stream": {}}}, **problems(404)},
)
def get_log_file(path: str, call: OfCall, request: Request) -> Response:
    """C2SP tlog-tiles 布局：checkpoint、tile/…。任何日志客户端都可以镜像与核查。"""
    data = call.services.pipeline.log.serve(path)
    if data is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "no_log_file", "存证日志没有这个文件。")
    if path == "checkpoint":
        return Response(data, media_type="text/plain; charset=utf-8", headers={"Cache-Control": _SECONDS})
    # A tile never changes once it is published: a partial one has its width in its name.
    headers = {"Cache-Control": _A_YEAR}
    if path.startswith("tile/entries/"):
        # Hashes cannot be compressed; entries should be (tlog-tiles, "Log entries").
        headers["Vary"] = "Accept-Encoding"
        if takes_gzip(request.headers.get("accept-encoding", "")):
            headers["Content-Encoding"] = "gzip"
            data = _squeeze(data)
    return Response(data, media_type="application/octet-stream", headers=headers)


@lru_cache(maxsize=_SQUEEZED)
def _squeeze(data: bytes) -> bytes:
    return gzip.compress(data, 6, mtime=0)


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding (RFC 9110 12.5.3) allows gzip by name."""
    for part in accepted.lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() == "gzip":
            return weight.strip().removeprefix("q=") not in ("0", "0.0", "0.00", "0.000")
    return False
