// From a text to what the reader shows: judged here, without a network, by the kept trust bundle.

import { ADMITTED_KINDS, decide } from "../core/admission.js";
import { POLICY, examine, verify } from "../core/code.js";
import { UNDECIDED } from "../core/errors.js";
import { isCode, normaliseScanned } from "../core/payload.js";

const TOLERANCE = 60;
// What a server can do and this browser cannot.
const FOR_THE_SERVER = ["sm2_unavailable", "suite_unavailable", "kind_unavailable"];

function doubt(trust, at, newestAt) {
  if (at < newestAt - TOLERANCE) return "clock_went_back";
  return at < trust.issuedAt - TOLERANCE ? "clock_behind_trust" : null;
}

// {state, reason, claims, due}: at a venue the decision of its gate, elsewhere the verdict. `due`: a look at the bearer.
export async function judge(typed, trust, venue, memory, at, bearerSeen = false) {
  const text = normaliseScanned(typed), doubted = doubt(trust, at, memory?.newestAt ?? 0);
  if (doubted) return { state: UNDECIDED, reason: doubted, claims: null };
  let { verdict, claims } = isCode(text)
    ? await examine(text, trust, at, venue ? ADMITTED_KINDS : undefined, POLICY)
    : { verdict: await verify(text, trust, at), claims: null };
  if (verdict.state === UNDECIDED && FOR_THE_SERVER.includes(verdict.reason)) verdict = await askServer(text, verdict);
  if (!venue) return { ...verdict, claims, due: verdict.state === "valid" && claims?.kind === "printed" };
  const answer = decide(verdict, claims, venue, trust, at, memory.seen, bearerSeen);
  if (answer.state === "valid") await memory.remember(claims.codeId, claims.madeAt, at);
  return { ...answer, claims, due: answer.reason === "second_factor_due" };
}

async function askServer(text, verdict) {
  try {
    const answer = await fetch("/api/v1/verifications", {
      method: "POST", credentials: "omit", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ text }),
    });
    if (!answer.ok) return verdict;
    const { state, reason } = await answer.json();
    return { ...verdict, state, reason };
  } catch {
    return verdict;
  }
}
