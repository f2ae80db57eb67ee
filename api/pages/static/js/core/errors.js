// What can be wrong with something presented, sorted as verifier/errors.py sorts it: by what it means for the verdict.

export const INVALID = "invalid", NOT_IN_FORCE = "not_in_force", UNDECIDED = "undecided";

export class VerificationError extends Error {
  constructor(state, check, reason) {
    super(reason);
    this.state = state;
    this.check = check;
    this.reason = reason;
  }
}

export const malformed = (reason) => new VerificationError(INVALID, "format", reason);
export const wrongKind = (reason) => new VerificationError(INVALID, "kind", reason);
export const wrongSignature = (reason = "wrong_signature") => new VerificationError(INVALID, "signature", reason);
export const outOfScope = (reason) => new VerificationError(INVALID, "issuer", reason);
export const noProof = (reason) => new VerificationError(INVALID, "possession", reason);
export const tooWide = (reason) => new VerificationError(INVALID, "delegation", reason);
export const outOfTime = (reason, check = "validity") => new VerificationError(NOT_IN_FORCE, check, reason);
export const outOfForce = (reason) => new VerificationError(NOT_IN_FORCE, "status", reason);
export const unlike = (reason, check = "commitment") => new VerificationError(INVALID, check, reason);
export const notIncluded = (reason) => new VerificationError(INVALID, "inclusion", reason);
export const contradicted = (reason) => new VerificationError(INVALID, "anchor", reason);
export const wronglyWitnessed = (reason) => new VerificationError(INVALID, "witnesses", reason);
export const unanchored = (reason) => new VerificationError(UNDECIDED, "anchor", reason);
export const unwitnessed = (reason) => new VerificationError(UNDECIDED, "witnesses", reason);
export const untrusted = (reason) => new VerificationError(UNDECIDED, "issuer", reason);
export const unknownStatus = (reason) => new VerificationError(UNDECIDED, "status", reason);
export const staleTrust = (reason) => new VerificationError(UNDECIDED, "freshness", reason);
// Something this browser cannot do: nothing was checked, and a server can.
export const notHere = (reason, check = "signature") => new VerificationError(UNDECIDED, check, reason);
