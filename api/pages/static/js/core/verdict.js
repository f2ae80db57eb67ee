// The verdict: four states, fail closed, with every check that led to it, as verifier/verdict.py has it.

import { INVALID, NOT_IN_FORCE, UNDECIDED, VerificationError } from "./errors.js";

export const VALID = "valid";

export class Examination {
  constructor(at) {
    this.at = at;
    this.results = new Map();
    this.errors = [];
  }

  // What the step returns or resolves to; undefined if it threw.
  async run(check, step, asOf = null) {
    try {
      const value = await step();
      this.results.set(check, { check, outcome: "passed", reason: "ok", asOf });
      return value;
    } catch (error) {
      if (!(error instanceof VerificationError)) throw error;
      const outcome = error.state === UNDECIDED ? "not_checked" : "failed";
      this.results.set(check, { check, outcome, reason: error.reason, asOf });
      this.errors.push(error);
      return undefined;
    }
  }

  // Say of a check that passed what its reader should know all the same.
  warn(check, reason) {
    this.results.get(check).reason = reason;
  }

  skip(check, reason) {
    this.results.set(check, { check, outcome: "not_checked", reason, asOf: null });
  }

  conclude(policy, subject = null) {
    for (const check of policy.required) if (!this.results.has(check)) this.skip(check, "not_reached");
    const [state, reason] = this.decide(policy);
    return { state, reason, checks: [...this.results.values()], at: this.at, subject };
  }

  decide(policy) {
    const wrong = this.errors.find((error) => error.state === INVALID);
    if (wrong) return [INVALID, wrong.reason];
    // A state read for something whose signature was not checked proves nothing about it.
    const over = this.errors.find((error) => error.state === NOT_IN_FORCE);
    if (over && this.results.get("signature")?.outcome === "passed") return [NOT_IN_FORCE, over.reason];
    const open = [...this.results.values()].filter((one) => one.outcome !== "passed" && policy.required.includes(one.check));
    const first = open.find((one) => one.reason !== "not_reached") ?? open[0];
    return first ? [UNDECIDED, first.reason] : [VALID, "ok"];
  }
}
