// May this person enter here now? The steps and reasons of verifier/admission.py. Times are seconds since 1970.

import { INVALID, NOT_IN_FORCE, UNDECIDED, VerificationError } from "./errors.js";
import { VALID } from "./verdict.js";

export const ADMITTED_KINDS = ["person", "printed"];
const SHANGHAI = 8 * 3600, DAY = 86400;

// {state, reason}; `seen` maps code ids to {madeAt, admittedAt} of what opened this gate. Opens only on "valid".
export function decide(verdict, claims, venue, trust, at, seen, bearerSeen = false) {
  const answer = judge(verdict, claims, venue, trust, at, seen);
  if (answer.state !== VALID || claims.kind !== "printed") return answer;
  if (bearerSeen) return { state: VALID, reason: "bearer_seen" };
  return venue.rule.printed_alone ? answer : { state: UNDECIDED, reason: "second_factor_due" };
}

function judge(verdict, claims, venue, trust, at, seen) {
  if (verdict.state !== VALID) return { state: verdict.state, reason: verdict.reason };
  if (!claims) return { state: UNDECIDED, reason: "no_claims" };
  if (!ADMITTED_KINDS.includes(claims.kind)) return { state: INVALID, reason: "wrong_kind" };
  if (venue.rule.dynamic_only && !claims.deviceKey) return { state: INVALID, reason: "static_not_accepted" };
  if (!isOpen(venue.rule, at)) return { state: NOT_IN_FORCE, reason: "closed" };
  if (isReplay(claims, at, venue.rule.anti_passback_seconds, seen)) return { state: INVALID, reason: "replayed" };
  return entitlement(claims, venue, trust, at);
}

export function isOpen(rule, at) {
  const local = at + SHANGHAI, clock = local % DAY, weekday = ((Math.floor(local / DAY) + 3) % 7) + 1;
  const inside = (span) => span.days.includes(weekday) && ofDay(span.from) <= clock && clock < ofDay(span.to);
  return !rule.hours.length || rule.hours.some(inside);
}

function ofDay(text) {
  const [hours, minutes] = text.split(":").map(Number);
  return hours * 3600 + minutes * 60;
}

// Ids and times are compared, never texts: a signature can be changed without becoming wrong.
function isReplay(claims, at, window, seen) {
  const last = seen.get(claims.codeId);
  if (!last || claims.madeAt > last.madeAt) return false;
  return claims.madeAt < last.madeAt || claims.shownAt !== null || at - last.admittedAt < window;
}

function entitlement(claims, venue, trust, at) {
  const accepted = (grant) =>
    grant.kind === "pass" ? venue.rule.admit.pass && grant.ref === venue.id : venue.rule.admit.types.includes(grant.ref);
  const answers = claims.grants.filter(accepted).map((grant) => judgeGrant(grant, trust, at));
  const best = [VALID, UNDECIDED, NOT_IN_FORCE].map((state) => answers.find((answer) => answer.state === state)).find(Boolean);
  return best ?? { state: INVALID, reason: "not_entitled" };
}

function judgeGrant(grant, trust, at) {
  if (at >= grant.until) return { state: NOT_IN_FORCE, reason: "grant_ended" };
  try {
    const state = trust.status(grant.statusList, grant.statusIndex);
    if (state !== "valid") return { state: NOT_IN_FORCE, reason: `grant_${state}` };
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error;
    return { state: UNDECIDED, reason: "grant_status_unknown" };
  }
  return { state: VALID, reason: grant.kind };
}
