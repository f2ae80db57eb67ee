// Handing a gate's visits in to the registry, as api/gate/hand_in.py does: in batches, safe to repeat, safe to kill. What
// the registry has taken is deleted here.

import { toHex } from "../core/bytes.js";
import { canonicalise } from "../core/multisigned.js";
import * as store from "../core/store.js";

const BATCH = 500, TIMEOUT = 30000, SOON = 1000, FIRST_PAUSE = 5000, LONGEST_PAUSE = 300000, TRY_AGAIN = [408, 425, 429];

export class HandIn {
  // `report({state, detail})` is told after each attempt: done, waiting (no network, a busy server), refused, no_token.
  constructor(journal, report) {
    Object.assign(this, { journal, report, timer: null, pause: FIRST_PAUSE, busy: null, closed: false });
    this.name = `handed:${journal.venue}`;
    this.online = () => this.soon();
    window.addEventListener("online", this.online);
  }

  static async open(journal, report) {
    const handing = new HandIn(journal, report), kept = await store.get(handing.name);
    // A mark of a journal that stood here before says nothing of this one.
    handing.mark = kept?.gate === journal.state.gate ? kept : { gate: journal.state.gate, accepted: 0, pending: null };
    handing.soon();
    return handing;
  }

  get waiting() {
    return this.journal.state.sequence - this.mark.accepted;
  }

  // A moment later, so that visits that come together travel together; at once again after the network came back.
  soon() {
    this.pause = FIRST_PAUSE;
    this.later(SOON);
  }

  later(pause) {
    clearTimeout(this.timer);
    if (!this.closed) this.timer = setTimeout(() => this.run(), pause);
  }

  // One attempt at a time, whoever asks for it.
  run() {
    this.busy ??= this.attempt().finally(() => { this.busy = null; });
    return this.busy;
  }

  async attempt() {
    let outcome;
    try {
      outcome = await this.sendAll();
    } catch {
      outcome = { state: "waiting" };
    }
    if (outcome.state === "done") this.pause = FIRST_PAUSE;
    else if (outcome.state !== "no_token") {
      this.later(outcome.after ?? this.pause * (0.75 + Math.random() / 2));
      this.pause = Math.min(2 * this.pause, LONGEST_PAUSE);
    }
    if (!this.closed) this.report(outcome);
  }

  async sendAll() {
    const token = await store.get(`token:${this.journal.venue}`);
    if (!token && this.waiting) return { state: "no_token" };
    while (this.waiting && !this.closed) {
      const problem = await this.sendBatch(token);
      if (problem) return problem;
    }
    return { state: "done" };
  }

  // (1) The batch's bounds are on the disk, (2) it is sent, (3) its visits make room for the mark. A kill after (2) sends
  // the same batch again under the same Idempotency-Key.
  async sendBatch(token) {
    const { gate } = this.mark, { venue } = this.journal, first = this.mark.accepted + 1;
    const to = this.mark.pending ?? Math.min(this.journal.state.sequence, this.mark.accepted + BATCH);
    const range = store.keysOf(gate, first, to);
    const visits = await store.transact(["visits"], "readonly", (table) => table("visits").getAll(range));
    this.mark = { ...this.mark, pending: to };
    await store.put(this.name, this.mark);
    const problem = await send(venue, token, visits);
    if (problem) return problem;
    const mark = { gate, accepted: to, pending: null };
    await store.transact(["visits", "values"], "readwrite", (table) => {
      table("visits").delete(range);
      table("values").put(mark, this.name);
    });
    this.mark = mark;
    return null;
  }

  async close() {
    this.closed = true;
    clearTimeout(this.timer);
    window.removeEventListener("online", this.online);
    await this.busy;
  }
}

// null once the registry has them, else why not. Rejects where there is no network.
async function send(venue, token, visits) {
  const last = visits.at(-1), digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(canonicalise(last)));
  const answer = await fetch(`/api/v1/venues/${encodeURIComponent(venue)}/visits`, {
    method: "POST", credentials: "omit", redirect: "error", signal: AbortSignal.timeout(TIMEOUT), body: JSON.stringify({ visits }),
    headers: {
      Authorization: `Bearer ${token}`, "Content-Type": "application/json",
      "Idempotency-Key": `${last.gate}-${visits[0].sequence}-${last.sequence}-${toHex(new Uint8Array(digest)).slice(0, 16)}`,
    },
  });
  if (answer.ok) return null;
  const problem = await answer.json().catch(() => ({}));
  const mayPass = TRY_AGAIN.includes(answer.status) || answer.status >= 500 || problem.reason === "idempotency_key_in_use";
  const after = Number(answer.headers.get("Retry-After")) * 1000 || undefined;
  return { state: mayPass ? "waiting" : "refused", detail: problem.detail ?? String(answer.status), after: mayPass ? after : LONGEST_PAUSE };
}
