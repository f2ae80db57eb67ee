"""Whether a receipt's head is anchored: because the trust bundle lists it, or because the chain itself says so.

Without a proof, the head must be listed with exactly its anchor record. With one, (1) nothing listed may contradict the
receipt's head or the anchor, (2) the anchor's head contains the receipt's, and (3) the chain proof shows the anchor's
head to whoever trusts the chain's validators; where the trust bundle does not know the chain, its list decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verifier.anchor import Anchor, AnchorProof
from verifier.errors import AnchorContradictionError, UnanchoredError
from verifier.merkle import check_consistency
from verifier.trust import TrustBundle


def check_anchor(
    trust: TrustBundle, anchor: Anchor, proof: AnchorProof | None, size: int, root: bytes
) -> Mapping[str, Any]:
    """What makes the head (size, root) of a receipt anchored, as evidence for the verdict; empty if it is listed.

    Raises UnanchoredError, AnchorContradictionError, InclusionError, MalformedError.
    """
    if proof is None:
        known = trust.check_anchored(size, root)
        if anchor != known and anchor not in trust.content.heads:
            raise AnchorContradictionError("anchor_differs", "证据包写的锚定记录与信任包不一致")
        return {}
    # Step (1).
    trust.check_not_contradicted(size, root)
    is_listed = trust.check_as_listed(anchor)
    # Step (2).
    check_consistency(size, anchor.size, root, anchor.root, proof.path)
    # Step (3). Only a chain that is not known at all is left to the list: on a known one, no proof is passed over.
    try:
        chain = trust.chain(anchor)
    except UnanchoredError as unknown:
        if not is_listed:
            raise
        return {"chain_proof": unknown.reason, "listed": True}
    # Loaded only here: it needs the curve and the hash of Ethereum, which most verifications do without.
    from verifier.chain_proof import check_chain_proof

    proven = check_chain_proof(proof.chain_proof, chain)
    proven.check_is(anchor)
    return {**proven.to_json(), "listed": is_listed}
