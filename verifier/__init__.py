"""The offline verifier: the formats and every check on them.

Owns each byte of entries, receipts, evidence and trust bundles and codes. May import `codes.payload` and nothing else
of ours. Promises: pure functions of bytes, trust bundle and time; no network, database, clock or chain; no exception
but its own leaves it; only what is listed here is stable.
"""

from verifier.code import CodeClaims, CodeKind, check_code, examine_code, sign_code, verify_code
from verifier.errors import Check, VerificationError
from verifier.evidence import EvidenceBundle, verify_evidence
from verifier.trust import TrustBundle, sign_trust
from verifier.verdict import CheckResult, Outcome, Policy, State, Verdict
from verifier.verify import verify

__all__ = [
    "Check",
    "CheckResult",
    "CodeClaims",
    "CodeKind",
    "EvidenceBundle",
    "Outcome",
    "Policy",
    "State",
    "TrustBundle",
    "Verdict",
    "VerificationError",
    "check_code",
    "examine_code",
    "sign_code",
    "sign_trust",
    "verify",
    "verify_code",
    "verify_evidence",
]
