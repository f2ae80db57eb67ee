"""The chain against the log: every head that the contract accepted, every recorded anchor, every first use."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from api.audit.findings import Findings
from api.audit.heads import KnownHead
from chain.ids import log_id
from chain.reading import ChainReader, HeadEvent
from verifier.anchor import Anchor

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

#: What the chain says and the database does not yet: the pipeline writes it down within seconds.
SETTLING = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the contracts are; `uses` None: not known."""

    heads: str
    uses: str | None
    first_block: int = 0


@dataclass(frozen=True, slots=True)
class OnChain:
    """What the chain says about one log, up to `height`."""

    events: tuple[HeadEvent, ...]
    height: int
    chain_id: int

    def heads(self) -> Iterable[KnownHead]:
        """Each accepted head."""
        for event in self.events:
            yield KnownHead(event.size, event.root, "chain_head_differs", f"链上区块 {event.block_number}")


def read(reader: ChainReader, place: Place, origin: str, findings: Findings) -> OnChain | None:
    """Every head of the log on the chain; None if the contract is not there. Raises the errors of `chain.errors`."""
    if not reader.has_heads(place.heads):
        findings.report("chain_other_code", expected="heads 合约", found="别的代码或没有代码", contract=place.heads)
        return None
    height, log = reader.height(), log_id(origin)
    events = tuple(reader.head_events(place.heads, log, place.first_block, height))
    findings.count("链上日志头", len(events))
    for before, after in itertools.pairwise(events):
        if after.size <= before.size:
            findings.report(
                "chain_not_growing", expected=f"大于 {before.size}", found=after.size, block=after.block_number
            )
    newest = reader.newest_head(place.heads, log)
    if newest is not None and not events:
        findings.report("chain_newest_differs", expected=f"{newest[0]}@{newest[1].hex()}", found="没有事件")
    elif newest is not None:
        last = events[-1]
        # The chain may have gone on while its events were read.
        if newest[0] <= last.size:
            expected, found = f"{newest[0]}@{newest[1].hex()}", f"{last.size}@{last.root.hex()}"
            findings.compare("chain_newest_differs", expected, found, contract=place.heads)
    return OnChain(events, height, reader.chain_id())


def renew(reader: ChainReader, place: Place, on_chain: OnChain, origin: str) -> OnChain:
    """The same with what the chain took since: anchors that were recorded meanwhile are on it."""
    height = reader.height()
    events = reader.head_events(place.heads, log_id(origin), on_chain.height + 1, height)
    return replace(on_chain, events=(*on_chain.events, *events))


def check_anchors(
    anchors: Sequence[Anchor], reader: ChainReader, place: Place, on_chain: OnChain, absent: str, differs: str,
    findings: Findings,
) -> None:  # fmt: skip
    """Recorded anchors against the events: `absent` and `differs` are the divergences."""
    events = {event.size: event for event in on_chain.events}
    for anchor in anchors:
        if (anchor.chain_id, anchor.contract.lower()) != (on_chain.chain_id, place.heads.lower()):
            why = "请用该链的 --rpc 与 --contract 另行核查；其日志头已与日志比对"
            findings.skip(f"链 {anchor.chain_id} 上合约 {anchor.contract} 的锚定", why)
            continue
        findings.count("锚定记录")
        event = events.get(anchor.size)
        if event is None:
            wanted = f"{anchor.size}@{anchor.root.hex()}"
            findings.report(absent, expected=wanted, found="没有事件", size=anchor.size)
            continue
        expected = (event.root.hex(), event.block_number, event.block_hash.hex(), event.transaction_hash.hex())
        found = (anchor.root.hex(), anchor.block_number, anchor.block_hash.hex(), anchor.transaction_hash.hex())
        if findings.compare(differs, expected, found, size=anchor.size):
            findings.compare(differs, reader.block_at(event.block_number), anchor.block_at, size=anchor.size)


def check_first_uses(
    connection: Connection, reader: ChainReader, place: Place, on_chain: OnChain, now: datetime, findings: Findings
) -> None:
    """Consumptions in the database against those on the chain, both ways."""
    from sqlalchemy import select

    from registry.departments.tables import Department
    from registry.uses.tables import Consumption

    assert place.uses is not None
    known: set[bytes] = set()
    for row in connection.execute(select(Consumption.__table__).order_by(Consumption.use_id)):
        known.add(bytes(row.nullifier))
        findings.count("链上占用")
        _check_first_use(row, reader, place.uses, now, findings)
    operator = connection.scalar(select(Department.code).where(Department.operator))
    for event in reader.use_events(place.uses, operator or "-", place.first_block, on_chain.height):
        if event.nullifier not in known:
            findings.report("consumption_missing", expected=event.nullifier, found="数据库没有这一占用",
                            block=event.block_number)  # fmt: skip


def _check_first_use(row: Row[Any], reader: ChainReader, contract: str, now: datetime, findings: Findings) -> None:
    first = reader.first_use(contract, bytes(row.nullifier))
    where: dict[str, int | str] = {"use": row.use_id}
    if first is None:
        if row.chain_at is not None:
            findings.report(
                "consumption_not_on_chain", expected="没有首次使用", found=f"记载为 {row.chain_by}", **where
            )
        return
    ours = first.commitment == bytes(row.commitment)
    expected = (first.by, first.commitment.hex(), first.at.isoformat(), ours)
    if row.chain_at is None:
        if now - first.at > SETTLING:
            findings.report("consumption_not_on_chain", expected=expected, found="数据库尚无链上结果", **where)
        return
    found = (row.chain_by, bytes(row.chain_commitment or b"").hex(), row.chain_at.isoformat(), row.chain_first)
    findings.compare("consumption_not_on_chain", expected, found, **where)
