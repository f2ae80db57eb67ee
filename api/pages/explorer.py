"""The explorer: heads and entries of the log for everybody. It shows what the published log holds, no more."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from threading import Lock
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from api.errors import ProblemError
from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute, check_rate
from api.http.public import Standing, standing_of
from api.pages import times, wording
from api.pages.explorer_views import Command, EntryRow, ExplorerPage, HeadRow, WitnessLine
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.views import Fact, ProblemView
from registry.catalogue import service as catalogue
from registry.keys.rules import LOG
from registry.log.tables import AnchorRow, AnchorValidatorsRow, CheckpointRow, LogEntry
from registry.witnesses.tables import CosignatureRow
from registry.work import Work
from verifier import cose
from verifier.entry import Entry, Kind
from verifier.note import to_vkey
from verifier.trusted_chain import ADDRESS_BYTES

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]

_PAGE_ENTRIES: Final = 20
_SHOWN_HEADS: Final = 10
_MAX_QUERY_CHARACTERS: Final = 80
_MAX_INDEX: Final = 2**63 - 1
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
#: Held while the log is searched for a leaf hash.
_SEARCHING = Lock()
_FSCK: Final = "go run github.com/transparency-dev/tessera/cmd/fsck@v1.0.4"


@router.get("/explore")
def explore(request: Request, call: OfCall, q: str = "", before: str = "") -> Response:
    """存证浏览：日志头、条目、区块链、见证方；按序号或叶子哈希查找。"""
    t = texts_for(request)
    wanted = q.strip()[:_MAX_QUERY_CHARACTERS]
    if wanted:
        found = (
            _find_by_hash(request, call, wanted) if _hash_in(wanted) else call.read(lambda work: _find(work, wanted))
        )
        if found is not None:
            return go(f"/explore/{found}")
    view = _overview(call, t, wanted, before)
    return show(request, "explorer.html", view, status=HTTPStatus.NOT_FOUND if wanted else HTTPStatus.OK)


def _find_by_hash(request: Request, call: Call, wanted: str) -> int | None:
    """`_find` for a leaf hash. No index helps there, so that it is limited as verifications are, and one at a time."""
    check_rate(call.services, "verifications", request)
    if not _SEARCHING.acquire(blocking=False):
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE, "search_busy", "正在为他人按叶子哈希查找，请几秒后重试，或按序号查找。",
            headers={"Retry-After": "2"},
        )  # fmt: skip
    try:
        return call.read(lambda work: _find(work, wanted))
    finally:
        _SEARCHING.release()


def _find(work: Work, wanted: str) -> int | None:
    """The index of an entry by its index or its leaf hash."""
    number, hashed = index_in(wanted.replace(",", "")), _hash_in(wanted)
    query = select(LogEntry.log_index).where(LogEntry.log_index.is_not(None))
    if hashed is not None:
        return work.session.scalar(query.where(LogEntry.leaf_hash == hashed))
    return None if number is None else work.session.scalar(query.where(LogEntry.log_index == number))


def _hash_in(text: str) -> bytes | None:
    hashed = text.lower().removeprefix("0x")
    return bytes.fromhex(hashed) if _HASH.fullmatch(hashed) else None


def index_in(text: str) -> int | None:
    """The index of an entry in what somebody typed or followed; None if it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_INDEX))):
        return None
    return min(int(text), _MAX_INDEX)


def _overview(call: Call, t: Texts, wanted: str, before: str) -> ExplorerPage:
    standing = standing_of(call.services)
    end = min(index_in(before) or standing.size, standing.size)
    names, types, rows, heads, anchor = call.read(lambda work: _read_overview(work, end))
    entries = [_row(row, names, types, standing.anchored_size, t) for row in rows]
    newer = min(end + _PAGE_ENTRIES, standing.size)
    return ExplorerPage(
        q=wanted,
        problem=_not_found(t) if wanted else None,
        figures=_figures(standing, t),
        entries=entries,
        newer=f"/explore?before={newer}#entries" if end < standing.size else None,
        older=f"/explore?before={entries[-1].index}#entries" if entries and entries[-1].index else None,
        heads=[_head(row, t) for row in heads],
        chain=_chain(standing, anchor, call.read(lambda work: _validators(work, anchor)), t),
        chain_note=standing.chain.message or "",
        witnesses=[_witness(one, t) for one in standing.witnesses],
        commands=_commands(call, t),
    )


def _read_overview(work: Work, end: int) -> tuple[dict[str, str], dict[str, str], Sequence[Any], Sequence[Any], Any]:
    shown = (
        select(
            LogEntry.log_index, LogEntry.kind, LogEntry.department, LogEntry.recorded_at, LogEntry.leaf_hash,
            LogEntry.signed,
        )
        .where(LogEntry.log_index >= max(0, end - _PAGE_ENTRIES), LogEntry.log_index < end)
        .order_by(LogEntry.log_index.desc())
    )  # fmt: skip
    cosigned = (
        select(func.count())
        .select_from(CosignatureRow)
        .where(CosignatureRow.size == CheckpointRow.size)
        .correlate(CheckpointRow)
        .scalar_subquery()
    )
    # A registry that moved to another chain may have anchored the same head on both.
    other = aliased(AnchorRow)
    first = select(func.min(other.recorded_at)).where(other.size == AnchorRow.size).scalar_subquery()
    heads = (
        select(
            CheckpointRow.size, CheckpointRow.root, CheckpointRow.signed_at, AnchorRow.block_at,
            AnchorRow.block_number, cosigned.label("witnesses"),
        )
        .outerjoin(AnchorRow, (AnchorRow.size == CheckpointRow.size) & (AnchorRow.recorded_at == first))
        .order_by(CheckpointRow.size.desc())
        .limit(_SHOWN_HEADS)
    )  # fmt: skip
    anchor = work.session.scalars(select(AnchorRow).order_by(AnchorRow.size.desc()).limit(1)).one_or_none()
    session = work.session
    return (
        wording.department_names(work), type_names(work), session.execute(shown).all(),
        session.execute(heads).all(), anchor,
    )  # fmt: skip


def type_names(work: Work) -> dict[str, str]:
    """The names of certificate types by their codes."""
    return {row.code: row.name for row in catalogue.list_types(work)}


def _row(row: Any, names: Mapping[str, str], types: Mapping[str, str], anchored: int, t: Texts) -> EntryRow:
    entry = open_entry(row.signed)
    return EntryRow(
        index=row.log_index,
        kind=t(f"kind.{Kind(row.kind).name.lower()}"),
        about=types.get(str(entry.facts.get("type")), ""),
        department=names.get(row.department, row.department),
        recorded_at=row.recorded_at,
        leaf=f"{row.leaf_hash.hex()[:12]}…",
        progress="anchored" if row.log_index < anchored else "sequenced",
    )


def open_entry(signed: bytes | None) -> Entry:
    """The entry in its signed bytes."""
    return Entry.from_bytes(cose.open_typed(signed or b"", cose.Type.ENTRY, limit=8192)[1])


def _head(row: Any, t: Texts) -> HeadRow:
    lag = (
        "—"
        if row.block_at is None
        else t("explore.seconds", n=max(0, int((row.block_at - row.signed_at).total_seconds())))
    )
    return HeadRow(
        row.size, row.root.hex(), row.signed_at, row.block_at, f"{row.block_number:,}" if row.block_at else "—", lag,
        row.witnesses,
    )  # fmt: skip


def _figures(standing: Standing, t: Texts) -> list[Fact]:
    chain, at = standing.chain, standing.anchored_at
    waiting, behind = standing.waiting, standing.unanchored
    return [
        Fact(t("figure.entries"), f"{standing.size:,}", t("explore.waiting", n=f"{waiting:,}") if waiting else ""),
        Fact(
            t("figure.anchored"), f"{standing.anchored_size:,}",
            t("explore.behind", n=f"{behind:,}") if behind else t("figure.none_waiting"),
        ),
        Fact(
            t("figure.block"), "—" if chain.height is None else f"{chain.height:,}",
            times.moment(chain.block_at, t) if chain.block_at else "",
        ),
        Fact(
            t("figure.last"), times.age(standing.at - at, t) if at else "—",
            times.moment(at, t) if at else t("figure.never"),
        ),
    ]  # fmt: skip


def _validators(work: Work, anchor: AnchorRow | None) -> list[str]:
    """Who seals the blocks of the chain that the anchor is on, as far as its proofs say."""
    if anchor is None:
        return []
    row = work.session.scalars(
        select(AnchorValidatorsRow)
        .where(AnchorValidatorsRow.chain_id == anchor.chain_id, AnchorValidatorsRow.contract == anchor.contract)
        .order_by(AnchorValidatorsRow.from_block.desc())
        .limit(1)
    ).one_or_none()
    packed = b"" if row is None else row.addresses
    return [f"0x{packed[at : at + ADDRESS_BYTES].hex()}" for at in range(0, len(packed), ADDRESS_BYTES)]


def _chain(standing: Standing, anchor: AnchorRow | None, validators: Sequence[str], t: Texts) -> list[Fact]:
    chain = standing.chain
    facts = [Fact(t("explore.chain_state"), t(f"chain.{chain.state}"))]
    if chain.chain_id is not None:
        facts.append(Fact(t("proof.chain_id"), str(chain.chain_id), mono=True))
    if anchor is not None:
        facts.append(Fact(t("proof.contract"), anchor.contract, mono=True))
        facts.append(Fact(t("explore.log_id"), anchor.log_id.hex(), mono=True))
    if validators:
        facts.append(Fact(t("explore.validators"), t("list.separator").join(validators), mono=True))
    return facts


def _witness(one: Any, t: Texts) -> WitnessLine:
    note = one.message or (t("explore.behind", n=f"{one.lag:,}") if one.lag else t("figure.none_waiting"))
    return WitnessLine(one.name, one.size, one.cosigned_at, note)


def _commands(call: Call, t: Texts) -> list[Command]:
    services = call.services
    url = services.settings.public_url
    newest = [key.public for key in services.keys.known() if key.purpose == LOG][-1]
    vkey = to_vkey(services.pipeline.origin, newest)
    fetch = f"curl -o trust.json {url}/api/v1/trust"
    return [
        Command(
            t("explore.audit"), f"{fetch}\nsuizheng audit --log {url}/log --trust trust.json", t("explore.audit_note")
        ),
        Command(
            t("explore.audit_chain"),
            f"suizheng audit --log {url}/log --trust trust.json \\\n  --rpc http://127.0.0.1:8545 --resume audit.json",
            t("explore.audit_chain_note"),
        ),
        Command(
            t("explore.fsck"),
            f"echo '{vkey}' > log.vkey\n{_FSCK} \\\n  -storage_url={url}/log/ -public_key=log.vkey -ui=false",
            t("explore.fsck_note"),
        ),
    ]


def _not_found(t: Texts) -> ProblemView:
    return ProblemView(title=t("explore.none_found"), detail=t("explore.none_found_body"))
