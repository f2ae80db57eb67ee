"""One entry of the log for everybody: its open facts, its signature, its proof drawn and told step by step."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import select

from api.errors import ProblemError
from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.http.public import Standing, standing_of
from api.pages import times, wording
from api.pages.explorer import index_in, open_entry, type_names
from api.pages.explorer_views import EntryPage
from api.pages.proof_tree import draw, leaf_script, meetings_of, script_of
from api.pages.rendering import show, texts_for
from api.pages.texts import Texts
from api.pages.views import Fact
from registry.log.published import Inclusion
from registry.log.tables import AnchorRow, LogEntry
from registry.log.tiles import CHECKPOINT, TILE_WIDTH, tile_path, unpack_entries
from registry.work import Work
from verifier import cose
from verifier.entry import Entry
from verifier.merkle import leaf_hash
from verifier.note import Checkpoint

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]


@router.get("/explore/{index}")
def explore_entry(request: Request, call: OfCall, index: str) -> Response:
    """一个存证条目：公开字段、签名、存证路径图与逐步验算。"""
    number = index_in(index)
    entry = None if number is None else call.read(lambda work: _entry_at(work, number))
    if number is None or entry is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "no_such_entry", "存证日志没有这个序号的条目。")
    return show(request, "explorer_entry.html", _entry_page(call, texts_for(request), number, entry))


def _entry_at(work: Work, number: int) -> LogEntry | None:
    return work.session.scalars(select(LogEntry).where(LogEntry.log_index == number)).one_or_none()


def _entry_page(call: Call, t: Texts, number: int, row: LogEntry) -> EntryPage:
    standing = standing_of(call.services)
    signed = row.signed or b""
    names, types = call.read(lambda work: (wording.department_names(work), type_names(work)))
    message = cose.open1(signed, limit=8192)
    entry = open_entry(signed)
    inclusion = _inclusion(call, number, standing)
    leaf = leaf_hash(signed)
    meetings = meetings_of(number, inclusion.head.size, leaf, inclusion.path) if inclusion else []
    anchored = number < standing.anchored_size
    return EntryPage(
        index=number,
        title=t(f"kind.{entry.kind.name.lower()}"),
        progress="anchored" if anchored else "sequenced",
        facts=_facts(entry, names, types, t),
        signed=[
            Fact(t("proof.leaf_hash"), leaf.hex(), mono=True),
            Fact(t("explore.kid"), message.kid.hex(), mono=True),
            Fact(t("explore.signature"), message.signature.hex(), mono=True),
            Fact(t("explore.bytes"), signed.hex(), mono=True),
        ],
        head_size=inclusion.head.size if inclusion else 0,
        head_note=_head_note(call, inclusion, t) if inclusion else "",
        root=inclusion.head.root.hex() if inclusion else "",
        leaf=leaf.hex(),
        drawing=draw(number, inclusion.head.size, leaf, meetings) if inclusion else None,
        meetings=meetings,
        script=script_of(leaf, meetings),
        leaf_script=_leaf_script(call, number, inclusion),
        newer=f"/explore/{number + 1}" if number + 1 < standing.size else None,
        older=f"/explore/{number - 1}" if number else None,
    )


def _facts(entry: Entry, names: Mapping[str, str], types: Mapping[str, str], t: Texts) -> list[Fact]:
    facts = [
        Fact(t("explore.kind"), t(f"kind.{entry.kind.name.lower()}")),
        Fact(t("explore.department"), f"{names.get(entry.department, '')} {entry.department}".strip()),
        Fact(t("explore.recorded"), times.moment(entry.recorded_at, t)),
    ]
    code = entry.facts.get("type")
    if code is not None:
        facts.append(Fact(t("explore.type"), f"{types.get(_shown(code), '')} {_shown(code)}".strip()))
    shown = {name: value for name, value in entry.facts.items() if name != "type"}
    facts += [Fact(name, _shown(value), mono=True) for name, value in shown.items()]
    facts += [
        Fact(t("explore.item"), entry.item.hex(), mono=True),
        Fact("SHA-256", entry.digest.sha256.hex(), mono=True),
        Fact("SM3", entry.digest.sm3.hex(), mono=True),
    ]
    if entry.previous is not None:
        facts.append(Fact(t("explore.previous"), entry.previous.hex(), mono=True))
    return facts


def _shown(value: int | str | bytes) -> str:
    return value.hex() if isinstance(value, bytes) else f"{value}"


def _inclusion(call: Call, number: int, standing: Standing) -> Inclusion | None:
    """The proof under the newest anchored head that covers the entry, else under the published one."""
    log = call.services.pipeline.log
    size = standing.anchored_size if number < standing.anchored_size else _published_size(call)
    return log.inclusion(number, size) if number < size else None


def _published_size(call: Call) -> int:
    note = call.services.pipeline.log.serve(CHECKPOINT)
    return 0 if note is None else Checkpoint.from_text(note.decode().partition("\n\n")[0] + "\n").size


def _head_note(call: Call, inclusion: Inclusion, t: Texts) -> str:
    def ask(work: Work) -> AnchorRow | None:
        anchors = select(AnchorRow).where(AnchorRow.size == inclusion.head.size).order_by(AnchorRow.recorded_at)
        return work.session.scalars(anchors.limit(1)).one_or_none()

    anchor = call.read(ask)
    if anchor is None:
        return t("explore.head_published", size=f"{inclusion.head.size:,}")
    at = times.moment(anchor.block_at, t)
    return t("explore.head_anchored", size=f"{inclusion.head.size:,}", block=f"{anchor.block_number:,}", at=at)


def _leaf_script(call: Call, number: int, inclusion: Inclusion | None) -> str:
    """Where the entry's bytes stand in the published bundle."""
    services = call.services
    tile, offset = divmod(number, TILE_WIDTH)
    size = _published_size(call)
    path = tile_path("entries", tile, min(TILE_WIDTH, size - tile * TILE_WIDTH)) if number < size else ""
    bundle = services.pipeline.log.serve(path) if path else None
    entries = unpack_entries(bundle) if bundle else None
    if inclusion is None or entries is None or offset >= len(entries):
        return ""
    begin = sum(len(entry) + 2 for entry in entries[:offset]) + 2
    return leaf_script(f"{services.settings.public_url}/log/{path}", begin, len(entries[offset]))
