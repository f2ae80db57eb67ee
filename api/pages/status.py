"""How the log and the chain are: the public status page, and the figures of the home page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import and_, func, select
from sqlalchemy.orm import aliased

from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.http.public import Standing, standing_of
from api.pages import times
from api.pages.rendering import show, texts_for
from api.pages.status_views import HeadLine, StatusPage, WitnessLine
from api.pages.texts import Texts
from api.pages.views import Fact
from registry.log.tables import AnchorRow, CheckpointRow, LogEntry
from registry.work import Work

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]

_SHOWN_HEADS: Final = 8


@dataclass(frozen=True, slots=True)
class Head:
    """A signed head of the log and, where it is on chain, its anchor."""

    size: int
    root: bytes
    anchored_at: datetime | None
    block: int | None


@dataclass(frozen=True, slots=True)
class LogState:
    """Where log and chain stand, with the newest heads. `uncovered_since`: when the oldest entry was acknowledged that
    no anchored head covers."""

    standing: Standing
    uncovered_since: datetime | None
    heads: Sequence[Head]
    is_well: bool


def read_state(call: Call) -> LogState:
    """The state of log and chain now."""
    standing = standing_of(call.services)

    def ask(work: Work) -> tuple[datetime | None, list[Head]]:
        # A head that is on two chains, since the registry moved, is shown once: as it was recorded last.
        other = aliased(AnchorRow)
        last = select(func.max(other.recorded_at)).where(other.size == CheckpointRow.size).scalar_subquery()
        is_shown = and_(AnchorRow.size == CheckpointRow.size, AnchorRow.recorded_at == last)
        query = (
            select(CheckpointRow.size, CheckpointRow.root, AnchorRow.block_at, AnchorRow.block_number)
            .outerjoin(AnchorRow, is_shown)
            .order_by(CheckpointRow.size.desc())
            .limit(_SHOWN_HEADS)
        )
        first = select(LogEntry.recorded_at).where(LogEntry.log_index == standing.anchored_size)
        return work.session.scalar(first), [Head(*row) for row in work.session.execute(query).tuples()]

    uncovered, heads = call.read(ask)
    is_well = call.services.worker.report().is_well
    return LogState(standing, uncovered or standing.oldest_waiting_at, heads, is_well)


def figures_of(state: LogState, t: Texts) -> list[Fact]:
    """The four figures that tell how the log is."""
    standing = state.standing
    entries, height, at = standing.size + standing.waiting, standing.chain.height, standing.anchored_at
    note = t("figure.waiting", n=f"{standing.unanchored:,}") if standing.unanchored else t("figure.none_waiting")
    return [
        Fact(t("figure.entries"), f"{entries:,}"),
        Fact(t("figure.anchored"), f"{standing.anchored_size:,}", note),
        Fact(t("figure.block"), "—" if height is None else f"{height:,}"),
        Fact(
            t("figure.last"),
            times.age(standing.at - at, t) if at else "—",
            times.moment(at, t) if at else t("figure.never"),
        ),
    ]


#: What governors of the network, not this system, have to do; the worker's message says what.
_GOVERNING = frozenset({"awaiting_governors", "not_joined", "look_at_chain"})


@router.get("/status")
def status_page(request: Request, call: OfCall) -> Response:
    """运行状态：日志规模、锚定、积压、最近的检查点。"""
    t = texts_for(request)
    state = read_state(call)
    heads = [
        HeadLine(head.size, f"{head.root.hex()[:32]}…", head.anchored_at, f"{head.block:,}" if head.block else "—")
        for head in state.heads
    ]
    key = _condition(state)
    view = StatusPage(
        tone="good" if key in ("well", "empty") else "bad" if key in ("halted", "stopped") else "warn",
        headline=t(f"condition.{key}"),
        detail=_detail(key, state, t),
        figures=figures_of(state, t),
        heads=heads,
        witnesses=[
            WitnessLine(one.name, one.size, one.lag, one.cosigned_at, one.message or "")
            for one in state.standing.witnesses
        ],
        witnesses_note=t("status.witnesses_body", k=state.standing.witness_threshold),
    )
    return show(request, "status.html", view)


def _condition(state: LogState) -> str:
    standing = state.standing
    if standing.worker.state == "halted":
        return "halted"
    if standing.anchoring.state == "stopped" or standing.chain.state == "wrong":
        return "stopped"
    if standing.chain.state == "none":
        return "no_chain"
    if standing.chain.state == "down":
        return "chain_down"
    if not state.is_well or standing.worker.failures_in_a_row:
        return "struggling"
    if standing.anchoring.state == "hindered":
        return "hindered"
    if standing.worker.reason in _GOVERNING:
        return "governing"
    return "well" if standing.size + standing.waiting else "empty"


def _detail(key: str, state: LogState, t: Texts) -> str:
    anchoring, worker = state.standing.anchoring, state.standing.worker
    if key in ("stopped", "hindered"):
        reason = anchoring.message or state.standing.chain.message or ""
        return f"{reason} {t(f'condition.{key}.detail')}"
    if key in ("governing", "chain_down") and worker.reason in _GOVERNING and worker.message:
        return worker.message
    waiting, since = state.standing.unanchored, state.uncovered_since
    if key == "well" and waiting and since is not None:
        return t("condition.well.waiting", n=f"{waiting:,}", age=times.age(state.standing.at - since, t))
    return t(f"condition.{key}.detail")
