// The trust bundle that a reader keeps on the device, pinned at the first one.

import * as store from "../core/store.js";
import { acceptTrust, checkBegun, openTrust } from "../core/trust.js";

const TRUST = "trust";

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
  const fresh = checkBegun(trust ? await acceptTrust(trust, text) : await openTrust(text), Date.now() / 1000);
  if (fresh !== trust) await store.put(TRUST, text);
  return fresh;
}
