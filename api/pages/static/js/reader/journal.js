// The journal of a gate in the browser, as api/gate/journal.py has it: hash-chained visits, on the disk before anybody
// sees the decision. Visits stay until the registry has them, the replay memory until its codes have ended.

import { toHex } from "../core/bytes.js";
import { canonicalise, toText } from "../core/multisigned.js";
import { get, keysOf, transact } from "../core/store.js";

const FORMAT = "suizheng-journal/1", GATE_BYTES = 8, WAIT_FOR_LOCK = 2000;
const ALL = ["values", "visits", "seen"];

async function digest(value) {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(canonicalise(value)))));
}

// Resolves to what lets go of the lock, or null where another tab holds it: two writers would fork the chain.
function lock(name) {
  return new Promise((resolve) => {
    const held = () => new Promise((release) => resolve(release));
    navigator.locks.request(name, { signal: AbortSignal.timeout(WAIT_FOR_LOCK) }, held).catch(() => resolve(null));
  });
}

export class Journal {
  // state: {gate, openedAt, sequence, previous, trustVersion, newestAt}; seen: code id -> {madeAt, admittedAt, until}.
  constructor(venue, state, seen, release) {
    Object.assign(this, { venue, state, seen, release });
  }

  // The journal of a venue on this device, begun where there is none; null where another tab has it open.
  static async open(venue, at) {
    const release = await lock(`suizheng-journal:${venue}`);
    if (!release) return null;
    const state = (await get(`journal:${venue}`)) ?? (await begin(venue, at));
    const [ids, entries] = await Promise.all([seenBy(venue, "getAllKeys"), seenBy(venue, "getAll")]);
    const journal = new Journal(venue, state, new Map(ids.map(([, id], place) => [id, entries[place]])), release);
    await journal.forget(at);
    return journal;
  }

  // The visit of a decision, once it is on the disk. Rejects if it is not; then nothing was recorded.
  async record(decision, claims, trust, at) {
    const { state } = this, known = claims && ["valid", "not_in_force"].includes(decision.verdictState) ? claims : null;
    const visit = {
      at: toText(at), code_id: known?.codeId ?? null, code_issued_at: known ? toText(known.madeAt) : null,
      decision: decision.state === "valid" ? "admit" : "refuse", event_id: `${state.gate}-${state.sequence + 1}`,
      gate: state.gate, previous: state.previous, reason: decision.reason, sequence: state.sequence + 1,
      trust_age_seconds: Math.trunc(at - trust.issuedAt), trust_version: trust.version, venue: this.venue,
    };
    const admitted = visit.decision === "admit" && known !== null;
    const next = {
      ...state, sequence: visit.sequence, previous: await digest(visit), trustVersion: Math.max(state.trustVersion, trust.version),
      newestAt: admitted ? Math.max(state.newestAt, at) : state.newestAt,
    };
    const entry = admitted ? { madeAt: known.madeAt, admittedAt: at, until: this.until(known, trust, at) } : null;
    await transact(ALL, "readwrite", (table) => {
      table("visits").add(visit, [visit.gate, visit.sequence]);
      table("values").put(next, `journal:${this.venue}`);
      if (entry) table("seen").put(entry, [this.venue, known.codeId]);
    });
    this.state = next;
    if (entry) this.seen.set(known.codeId, entry);
    return visit;
  }

  // A code can come back until it ends; and within the venue's window, however soon it ends.
  until(claims, trust, at) {
    return Math.max(claims.expiresAt, at + (trust.venues.get(this.venue)?.rule.anti_passback_seconds ?? 0));
  }

  // Drops what the memory no longer needs: codes that have ended are refused for that.
  async forget(at) {
    const ended = [...this.seen].filter(([, entry]) => entry.until <= at).map(([id]) => id);
    if (!ended.length) return;
    await transact(["seen"], "readwrite", (table) => {
      for (const id of ended) table("seen").delete([this.venue, id]);
    });
    for (const id of ended) this.seen.delete(id);
  }

  close() {
    this.release();
  }
}

const seenBy = (venue, ask) => transact(["seen"], "readonly", (table) => table("seen")[ask](keysOf(venue)));

async function begin(venue, at) {
  const gate = toHex(crypto.getRandomValues(new Uint8Array(GATE_BYTES)));
  const previous = await digest({ format: FORMAT, gate, opened_at: toText(at), venue });
  const state = { gate, openedAt: at, sequence: 0, previous, trustVersion: 0, newestAt: 0 };
  await transact(["values"], "readwrite", (table) => table("values").put(state, `journal:${venue}`));
  return state;
}
