"""Receipts (存证回执) as JSON."""

from __future__ import annotations

import base64
from datetime import datetime

from pydantic import Field

from api.http.forms import Outgoing
from registry.log.receipts import EntryReceipt
from verifier.merkle import leaf_hash


class AnchorShown(Outgoing):
    """The head's place on the chain."""

    chain_id: int
    contract: str
    log_id: str
    size: int
    root: str
    block_number: int
    block_hash: str
    block_at: datetime
    transaction_hash: str


class Receipt(Outgoing):
    """Proof that an entry is in the log under an anchored head."""

    entry_id: int
    index: int = Field(description="条目在日志中的序号，从 0 起")
    leaf_hash: str = Field(description="叶子哈希（十六进制）")
    signed_entry: str = Field(description="部门签名的存证条目（COSE_Sign1，Base64）")
    receipt: str = Field(description="存证回执（RFC 9942 COSE receipt，Base64）")
    anchor: AnchorShown
    chain_proof: str | None = Field(description="链上证明（区块头、封印与状态证明，Base64）；节点不提供时为空")


def show(found: EntryReceipt) -> Receipt:
    """The receipt as it is shown."""
    anchor = found.anchor
    return Receipt(
        entry_id=found.entry_id,
        index=found.index,
        leaf_hash=leaf_hash(found.signed_entry).hex(),
        signed_entry=base64.b64encode(found.signed_entry).decode(),
        receipt=base64.b64encode(found.receipt).decode(),
        anchor=AnchorShown(
            chain_id=anchor.chain_id,
            contract=anchor.contract,
            log_id=anchor.log_id.hex(),
            size=anchor.size,
            root=anchor.root.hex(),
            block_number=anchor.block_number,
            block_hash=anchor.block_hash.hex(),
            block_at=anchor.block_at,
            transaction_hash=anchor.transaction_hash.hex(),
        ),
        chain_proof=None if found.chain_proof is None else base64.b64encode(found.chain_proof).decode(),
    )
