"""Receipts (存证回执): that an entry is in the log under an anchored head."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from registry.errors import NotAnchoredYetError, NotFoundError
from registry.keys.tables import KeyRow
from registry.log.anchoring import to_anchor
from registry.log.chains import proof_of
from registry.log.errors import LogContradictionError
from registry.log.published import PublishedLog
from registry.log.tables import AnchorRow, CheckpointRow, LogEntry
from registry.witnesses.service import newest_cosigned
from registry.work import Work
from verifier.anchor import Anchor
from verifier.entry import Kind
from verifier.note import Checkpoint
from verifier.receipt import build_receipt
from verifier.suites import public_key


@dataclass(frozen=True, slots=True)
class EntryReceipt:
    """An entry with its receipt. `receipt` is a COSE receipt (RFC 9942) under the head that `anchor` names.

    chain_proof: bytes of a verifier.chain_proof.ChainProof of that head, if its chain gave one.
    """

    entry_id: int
    index: int
    signed_entry: bytes
    receipt: bytes
    anchor: Anchor
    chain_proof: bytes | None


def receipt_of(work: Work, log: PublishedLog, entry_id: int) -> EntryReceipt:
    """The receipt of an entry under the newest anchored head, or the newest that enough witnesses cosigned.

    Raises NotFoundError; NotAnchoredYetError while the entry is safe but not yet under an anchored head.
    """
    entry = work.session.get(LogEntry, entry_id)
    if entry is None:
        raise NotFoundError("entry_unknown", "没有这个存证条目。", {"entry": entry_id})
    index, signed = entry.log_index, entry.signed
    anchored = _choose_anchor(work, index)
    if index is None or signed is None or anchored is None or anchored.size <= index:
        evidence = {"entry": entry_id, "anchored_size": 0 if anchored is None else anchored.size}
        raise NotAnchoredYetError("not_anchored_yet", "已受理并安全保存，正在上链，请稍后再取回执。", evidence)
    proof = log.inclusion(index, anchored.size)
    if proof.leaf_hash != entry.leaf_hash:
        found = Checkpoint(proof.head.origin, index, proof.leaf_hash)
        stored = Checkpoint(proof.head.origin, index, entry.leaf_hash or b"")
        raise LogContradictionError("entry_differs", "存证条目与日志中该序号的叶子不一致。", stored, found)
    head = work.session.get_one(CheckpointRow, anchored.size)
    key = work.session.get_one(KeyRow, head.kid)
    receipt = build_receipt(
        origin=proof.head.origin,
        key=public_key(key.suite, key.public),
        root_signature=head.root_signature,
        size=head.size,
        index=index,
        path=proof.path,
    )
    return EntryReceipt(entry_id, index, signed, receipt, to_anchor(anchored), proof_of(work.session, anchored))


def _choose_anchor(work: Work, index: int | None) -> AnchorRow | None:
    """The newest anchor over the entry that enough witnesses cosigned; while there is none, the newest one.

    Of a head on two chains, the one recorded later: the registry's present chain.
    """
    newest = select(AnchorRow).order_by(AnchorRow.size.desc(), AnchorRow.recorded_at.desc()).limit(1)
    cosigned = None if index is None else newest_cosigned(work.session, index)
    if cosigned is not None:
        newest = newest.where(AnchorRow.size == cosigned)
    return work.session.scalars(newest).one_or_none()


def receipt_of_item(work: Work, log: PublishedLog, item: str, kind: Kind) -> EntryReceipt:
    """The receipt of an item's first entry of this kind (certificate, material, use …). Raises as `receipt_of`."""
    first = select(LogEntry.id).where(LogEntry.item == item, LogEntry.kind == int(kind)).order_by(LogEntry.id).limit(1)
    entry_id = work.session.scalars(first).one_or_none()
    if entry_id is None:
        raise NotFoundError("entry_unknown", "没有这个存证条目。", {"item": item})
    return receipt_of(work, log, entry_id)
