// What a reader keeps on the device: the trust bundle, pinned at the first one, and what opened this gate.

import * as store from "../core/store.js";
import { acceptTrust, openTrust } from "../core/trust.js";

const TRUST = "trust", MOST_SEEN = 20000;

// The bundle kept here; null before the first.
export async function keptTrust() {
  const text = await store.get(TRUST);
  return text ? openTrust(text) : null;
}

// The newest bundle: what the server has now, if the root keys of the kept one signed it too and it is not older.
export async function refreshTrust(trust) {
  const answer = await fetch("/api/v1/trust", { credentials: "omit" });
  if (!answer.ok) throw new TypeError("no trust bundle");
  const text = await answer.text();
  const fresh = trust ? await acceptTrust(trust, text) : await openTrust(text);
  if (fresh !== trust) await store.put(TRUST, text);
  return fresh;
}

export class Memory {
  constructor(venueId, entries) {
    this.name = `seen:${venueId}`;
    this.seen = new Map(entries);
  }

  static async of(venueId) {
    return new Memory(venueId, (await store.get(`seen:${venueId}`)) ?? []);
  }

  get newestAt() {
    return Math.max(0, ...[...this.seen.values()].slice(-1).map((one) => one.admittedAt));
  }

  // On the disk when this resolves, before anybody sees the decision.
  async remember(codeId, madeAt, admittedAt) {
    this.seen.delete(codeId);
    this.seen.set(codeId, { madeAt, admittedAt });
    if (this.seen.size > MOST_SEEN) this.seen.delete(this.seen.keys().next().value);
    await store.put(this.name, [...this.seen]);
  }
}
