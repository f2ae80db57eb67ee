"""The chains that heads are on, as trust bundles describe them, and the proofs of single heads."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from chain.evidence import AnchorEvidence
from registry import upserts
from registry.log.tables import AnchorChainRow, AnchorProofRow, AnchorRow, AnchorValidatorsRow
from verifier.anchor import Anchor
from verifier.trusted_chain import ADDRESS_BYTES, TrustedChain, ValidatorSet

#: Heads that a trust bundle lists though they have proofs: for readers of formats that know none.
LISTED_HEADS = 16


def keep_evidence(session: Session, anchor: Anchor, evidence: AnchorEvidence | None, at: datetime) -> None:
    """Keep what the chain said of a head that was recorded in this transaction.

    Every other chain ends with it: the registry has moved on, and no later block of theirs proves anything.
    """
    is_this = and_(AnchorChainRow.chain_id == anchor.chain_id, AnchorChainRow.contract == anchor.contract)
    # The next whole second, since trust bundles know no others: every block so far is before it.
    ended_at = at.replace(microsecond=0) + timedelta(seconds=1)
    session.execute(update(AnchorChainRow).where(~is_this, AnchorChainRow.valid_to.is_(None)).values(valid_to=ended_at))
    if evidence is None:
        return
    chain, (present,) = evidence.chain, evidence.chain.validators
    place = {"chain_id": chain.chain_id, "contract": chain.contract}
    row = {**place, "code_hash": chain.code_hash, "log_id": chain.log_id, "layout": chain.layout}
    session.execute(upserts.insert_or_ignore(session, AnchorChainRow), [{**row, "engine": chain.engine}])
    session.execute(update(AnchorChainRow).where(is_this, AnchorChainRow.valid_to.is_not(None)).values(valid_to=None))
    known = _validators(session, chain.chain_id, chain.contract)
    if not known or (known[-1].addresses, known[-1].threshold) != (present.addresses, present.threshold):
        named = {"from_block": present.from_block, "addresses": b"".join(present.addresses)}
        session.execute(
            upserts.insert_or_ignore(session, AnchorValidatorsRow), [{**place, **named, "threshold": present.threshold}]
        )
    session.execute(
        upserts.insert_or_ignore(session, AnchorProofRow), [{**place, "size": anchor.size, "proof": evidence.proof}]
    )


def proof_of(session: Session, anchor: AnchorRow) -> bytes | None:
    """The chain proof of an anchor, if its chain gave one."""
    row = session.get(AnchorProofRow, (anchor.size, anchor.chain_id, anchor.contract))
    return None if row is None else row.proof


def trusted_chains(session: Session) -> tuple[TrustedChain, ...]:
    """Every chain that heads with proofs are or were on."""
    rows = session.scalars(select(AnchorChainRow).order_by(AnchorChainRow.chain_id, AnchorChainRow.contract))
    return tuple(
        TrustedChain(
            chain_id=row.chain_id,
            contract=row.contract,
            code_hash=row.code_hash,
            log_id=row.log_id,
            layout=row.layout,
            engine=row.engine,
            validators=_validators(session, row.chain_id, row.contract),
            valid_to=row.valid_to,
        )
        for row in rows
    )


def listed_anchors(session: Session) -> list[AnchorRow]:
    """The anchors that a trust bundle has to list, ascending: those without a proof, and the newest of all.

    Bundles under any other one carry its proof, since an anchor and its proof are recorded together.
    """
    oldest = session.scalar(
        select(AnchorRow.size).order_by(AnchorRow.size.desc()).offset(LISTED_HEADS - 1).limit(1)
    )  # fmt: skip
    has_proof = select(AnchorProofRow.size).where(
        AnchorProofRow.size == AnchorRow.size,
        AnchorProofRow.chain_id == AnchorRow.chain_id,
        AnchorProofRow.contract == AnchorRow.contract,
    )
    wanted = or_(~has_proof.exists(), AnchorRow.size >= (oldest or 0))
    return list(session.scalars(select(AnchorRow).where(wanted).order_by(AnchorRow.size, AnchorRow.recorded_at)))


def _validators(session: Session, chain_id: int, contract: str) -> tuple[ValidatorSet, ...]:
    rows = session.scalars(
        select(AnchorValidatorsRow)
        .where(AnchorValidatorsRow.chain_id == chain_id, AnchorValidatorsRow.contract == contract)
        .order_by(AnchorValidatorsRow.from_block)
    )
    return tuple(ValidatorSet(row.from_block, _split(row.addresses), row.threshold) for row in rows)


def _split(addresses: bytes) -> tuple[bytes, ...]:
    return tuple(addresses[at : at + ADDRESS_BYTES] for at in range(0, len(addresses), ADDRESS_BYTES))
