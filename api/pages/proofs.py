"""How far an item's entry has come, and its inclusion proof as steps that can be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from api.pages import times
from api.pages.texts import Texts
from api.pages.views import Fact, Proof, Rung, Step
from registry.errors import NotAnchoredYetError
from registry.log.published import Inclusion, PublishedLog
from registry.log.receipts import EntryReceipt, receipt_of_item
from registry.log.standing import Place
from registry.work import Work
from verifier.entry import Kind
from verifier.merkle import leaf_hash

_SHOWN_HEX = 8


def find_receipt(work: Work, log: PublishedLog, item: str, kind: Kind) -> EntryReceipt | None:
    """The receipt of an item's first entry; None while it is not anchored yet."""
    try:
        return receipt_of_item(work, log, item, kind)
    except NotAnchoredYetError:
        return None


def steps_of(recorded_at: datetime, place: Place, receipt: EntryReceipt | None, t: Texts) -> list[Step]:
    """The way from the acknowledged write to the chain: registered, in the log, under a signed head, anchored."""
    in_log = place.index is not None
    index = t("step.logged.text", n=f"{place.index + 1:,}") if place.index is not None else t("step.soon")
    head, chain = t("step.soon"), t("step.soon")
    if receipt is not None:
        anchor = receipt.anchor
        head = t("step.headed.text", n=f"{anchor.size:,}")
        chain = t("step.anchored.text", block=f"{anchor.block_number:,}", at=times.moment(anchor.block_at, t))
    elif in_log:
        head = t("step.headed.signed")
    return [
        Step(True, t("step.registered"), times.moment(recorded_at, t)),
        Step(in_log, t("step.logged"), index),
        Step(in_log, t("step.headed"), head),
        Step(receipt is not None, t("step.anchored"), chain),
    ]


def proof_of(log: PublishedLog, receipt: EntryReceipt, t: Texts) -> Proof:
    """The inclusion proof under the anchored head, checked by the log before it is shown."""
    anchor = receipt.anchor
    inclusion = log.inclusion(receipt.index, anchor.size)
    facts = [
        Fact(t("proof.leaf_hash"), leaf_hash(receipt.signed_entry).hex()),
        Fact(t("status.root"), anchor.root.hex()),
        Fact(t("proof.contract"), anchor.contract),
        Fact(t("proof.transaction"), f"0x{anchor.transaction_hash.hex()}"),
        Fact(t("proof.block_hash"), f"0x{anchor.block_hash.hex()}"),
        Fact(t("proof.chain_id"), str(anchor.chain_id)),
    ]
    return Proof(f"{receipt.index + 1:,}", f"{anchor.size:,}", f"/explore/{receipt.index}", rungs_of(inclusion), facts)


def rungs_of(inclusion: Inclusion) -> Sequence[Rung]:
    """Each hash of the path with the side it joins from (RFC 9162 section 2.1.3.2)."""
    node, last = inclusion.index, inclusion.head.size - 1
    rungs = []
    for given in inclusion.path:
        left = bool(node & 1) or node == last
        rungs.append(Rung(left, f"{given.hex()[:_SHOWN_HEX]}…"))
        if left:
            # A right edge without a partner rises until it has one.
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        node, last = node >> 1, last >> 1
    return rungs
