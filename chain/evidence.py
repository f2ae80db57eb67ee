"""What a chain says of an anchored head, for whoever keeps it."""

from __future__ import annotations

from dataclasses import dataclass

from verifier.trusted_chain import TrustedChain


@dataclass(frozen=True, slots=True)
class AnchorEvidence:
    """A proof of an anchored head, and what must be trusted of its chain for it to hold.

    chain.validators has one set: the one in force at the anchor's block. proof: bytes of a ChainProof of the verifier.
    """

    chain: TrustedChain
    proof: bytes
