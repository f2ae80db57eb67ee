// From a text to what the reader shows: judged here, without a network, by the kept trust bundle.

import { POLICY, examine } from "../core/code.js";
import { UNDECIDED } from "../core/errors.js";
import { normaliseScanned } from "../core/payload.js";
import { examineText } from "../core/presented.js";

const TOLERANCE = 60, PATIENCE = 3000;
// What a server can do and this browser cannot.
const FOR_THE_SERVER = ["sm2_unavailable", "suite_unavailable", "kind_unavailable"];

// Why the clock cannot be believed: set back, every ended code would be good again.
export function doubt(trust, at, newestAt = 0) {
  if (at < newestAt - TOLERANCE) return "clock_went_back";
  return at < trust.issuedAt - TOLERANCE ? "clock_behind_trust" : null;
}

// {state, reason, checks, claims, due}; `due`: a look at the bearer.
export async function judge(typed, trust, at) {
  const doubted = doubt(trust, at);
  if (doubted) return { state: UNDECIDED, reason: doubted, claims: null };
  const { verdict, claims } = await judgeText(typed, trust, at);
  return { ...verdict, claims, due: verdict.state === "valid" && claims?.kind === "printed" };
}

// {verdict, claims} on a text where only some kinds are wanted.
export async function judgeText(typed, trust, at, kinds) {
  const text = normaliseScanned(typed);
  const { verdict, claims } = kinds ? await examine(text, trust, at, kinds, POLICY) : await examineText(text, trust, at);
  const isForServer = verdict.state === UNDECIDED && FOR_THE_SERVER.includes(verdict.reason);
  return { verdict: isForServer ? await askServer(text, verdict) : verdict, claims };
}

async function askServer(text, verdict) {
  try {
    const answer = await fetch("/api/v1/verifications", {
      method: "POST", credentials: "omit", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ text }),
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (!answer.ok) return verdict;
    const { state, reason } = await answer.json();
    return { ...verdict, state, reason };
  } catch {
    return verdict;
  }
}
