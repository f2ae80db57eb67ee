"""Step 4 of the pipeline: the newest published head onto the chain, and what the chain says back into the database.

The chain is always asked first and written to afterwards. So a crash between sending and recording, an unknown outcome
and an idle start are the same case: the chain already has our head, and it is only recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final, Protocol

from sqlalchemy import Engine, Select, Table, select
from sqlalchemy.orm import Session

from chain.errors import OutcomeUnknownError, TransactionRejectedError
from chain.evidence import AnchorEvidence
from registry import upserts
from registry.database import READ_ONLY
from registry.log.chains import keep_evidence
from registry.log.errors import LogContradictionError
from registry.log.published import PublishedLog
from registry.log.state import newest_head, origin_of
from registry.log.tables import AnchorRow, CheckpointRow
from verifier.anchor import Anchor
from verifier.merkle import EMPTY_ROOT
from verifier.note import Checkpoint

_ANCHORS: Table = AnchorRow.__table__  # type: ignore[assignment]
_CHECKPOINTS: Table = CheckpointRow.__table__  # type: ignore[assignment]


#: Seconds after which the chain is compared with what was recorded though there is nothing to anchor.
COMPARE_EVERY: Final = 300.0


class Anchors(Protocol):
    """Heads of one log on one chain. Errors are those of `chain.errors`."""

    def anchor(self, size: int, root: bytes, old_size: int, proof: Sequence[bytes]) -> Anchor:
        """Put a head on chain, with the proof that it only appended to the head of `old_size` there (0: none yet).

        A head that is there already is answered with its anchor. Raises OutcomeUnknownError if sent but unconfirmed."""
        ...

    def find(self, size: int, root: bytes) -> Anchor | None:
        """The anchor of exactly this head, if the chain ever took it."""
        ...

    def latest(self) -> tuple[int, bytes] | None:
        """Size and root of the newest head on chain."""
        ...


class Proofs(Protocol):
    """Chain proofs of heads, and where heads go now. Errors are those of `chain.errors`."""

    def place(self) -> tuple[int, str]:
        """The chain id and the contract that heads are put into."""
        ...

    def prove(self, anchor: Anchor) -> AnchorEvidence | None:
        """The proof of a head that is on the chain; None if its node gives none."""
        ...


class Anchorer:
    """Keeps the chain's head of one log at the published one.

    proofs: None where none are wanted; then every anchor is taken to be on one and the same chain.
    """

    def __init__(
        self,
        engine: Engine,
        log: PublishedLog,
        anchors: Anchors,
        proofs: Proofs | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**{READ_ONLY: True})
        self._log = log
        self._anchors = anchors
        self._proofs = proofs
        self._monotonic = monotonic
        self._compared_at = float("-inf")
        self._place: tuple[int, str] | None = None

    def advance(self, head: Checkpoint, at: datetime) -> int:
        """Anchor `head` unless it is anchored; the size of the newest recorded anchor afterwards.

        One transaction, however far the chain is behind, also on a chain that the registry has just moved to: it begins
        with the present head, and what was anchored elsewhere stays recorded.

        Raises LogContradictionError if the chain holds a head that is not one of this log; ChainUnavailableError,
        OutcomeUnknownError: call again later; TransactionRejectedError.
        """
        if self._place is None and self._proofs is not None:
            self._place = self._proofs.place()
        recorded = anchored_head(self._reader, self._place)
        if recorded.size >= head.size and self._monotonic() - self._compared_at < COMPARE_EVERY:
            return recorded.size
        on_chain = self._chain_head(recorded)
        self._check_still_there(recorded)
        self._compared_at = self._monotonic()
        if on_chain.size > recorded.size:
            # (a) Sent before a crash, or by another process, and not recorded.
            self._record(self._anchors.find(on_chain.size, on_chain.root), at)
        if on_chain.size < head.size:
            # (b) The chain is behind.
            self._record(self._send(head, on_chain), at)
        return anchored_head(self._reader, self._place).size

    def _chain_head(self, recorded: Checkpoint) -> Checkpoint:
        """The head on chain, after making sure that it is one of ours and not older than what we recorded."""
        size, root = self._anchors.latest() or (0, EMPTY_ROOT)
        on_chain = Checkpoint(recorded.origin, size, root)
        # Read after the chain: another process may have sequenced and anchored meanwhile.
        with self._reader.connect() as connection:
            ours, _ = newest_head(connection, recorded.origin)
        if size < recorded.size:
            raise LogContradictionError("chain_went_back", "链上的日志头早于已记录的锚定。", recorded, on_chain)
        if size > ours.size:
            raise LogContradictionError("chain_ahead", "链上的日志头超出本库的存证日志。", ours, on_chain)
        if size and self._log.root_at(size) != root:
            same_size = Checkpoint(ours.origin, size, self._log.root_at(size))
            raise LogContradictionError(
                "chain_contradicts", "链上的日志头与本库的存证日志不一致。", same_size, on_chain
            )
        return on_chain

    def _check_still_there(self, recorded: Checkpoint) -> None:
        """The newest recorded anchor is where it was: it was recorded when its block was final.

        Raises LogContradictionError if the chain was rewritten further back than that."""
        if recorded.size == 0:
            return
        with Session(self._reader) as session:
            row = session.scalars(self._newest_anchor()).one()
            ours = to_anchor(row)
        theirs = self._anchors.find(recorded.size, recorded.root)
        if theirs is not None and theirs.block_hash == ours.block_hash:
            return
        there = "已不存在" if theirs is None else f"在区块 {theirs.block_number}（{theirs.block_hash.hex()}）"
        message = (
            f"已确认的锚定被链改写：记录在区块 {ours.block_number}（{ours.block_hash.hex()}），现{there}。"
            "请核查各验证节点并提高确认数。"
        )
        raise LogContradictionError("anchor_rewritten", message, recorded, recorded)

    def _newest_anchor(self) -> Select[tuple[AnchorRow]]:
        query = select(AnchorRow).order_by(AnchorRow.size.desc()).limit(1)
        if self._place is None:
            return query
        return query.where(AnchorRow.chain_id == self._place[0], AnchorRow.contract == self._place[1])

    def _send(self, head: Checkpoint, on_chain: Checkpoint) -> Anchor | None:
        proof = self._log.consistency(on_chain.size, head.size) if on_chain.size else []
        try:
            return self._anchors.anchor(head.size, head.root, on_chain.size, proof)
        except OutcomeUnknownError:
            found = self._anchors.find(head.size, head.root)
            if found is None:
                raise
            return found
        except TransactionRejectedError:
            # Somebody else of ours may have moved the chain's head on since we asked; anything else is for people.
            if self._anchors.latest() == ((on_chain.size, on_chain.root) if on_chain.size else None):
                raise
            return None

    def _record(self, anchor: Anchor | None, at: datetime) -> None:
        if anchor is None:
            return
        evidence = None if self._proofs is None else self._proofs.prove(anchor)
        with Session(self._engine) as session, session.begin():
            stored = session.execute(select(_CHECKPOINTS.c.root).where(_CHECKPOINTS.c.size == anchor.size)).scalar()
            # A head that was never stored as one has no receipts, and is of no use beyond the consistency proof.
            if stored == anchor.root:
                added = session.execute(
                    upserts.insert_or_ignore(session, AnchorRow).returning(AnchorRow.size),
                    [{**asdict(anchor), "recorded_at": at}],
                )
                # Another process may have recorded it without a proof and handed bundles out: then it stays so.
                if added.one_or_none() is not None:
                    keep_evidence(session, anchor, evidence, at)


def anchored_head(reader: Engine, place: tuple[int, str] | None = None) -> Checkpoint:
    """The newest recorded anchor as a head, on the chain and in the contract of `place` if given.

    The empty head before the first one.
    """
    with reader.connect() as connection:
        newest = select(_ANCHORS.c.size, _ANCHORS.c.root).order_by(_ANCHORS.c.size.desc()).limit(1)
        if place is not None:
            newest = newest.where(_ANCHORS.c.chain_id == place[0], _ANCHORS.c.contract == place[1])
        row = connection.execute(newest).one_or_none()
        origin = origin_of(connection)
    return Checkpoint(origin, 0, EMPTY_ROOT) if row is None else Checkpoint(origin, row.size, row.root)


def to_anchor(row: AnchorRow) -> Anchor:
    """The anchor that a row records."""
    return Anchor(
        chain_id=row.chain_id,
        contract=row.contract,
        log_id=row.log_id,
        size=row.size,
        root=row.root,
        block_number=row.block_number,
        block_hash=row.block_hash,
        block_at=row.block_at,
        transaction_hash=row.transaction_hash,
    )
