// One signed entry of the evidence log, as verifier/entry.py has it. Times are milliseconds since 1970.

import * as cbor from "./cbor.js";
import * as cose from "./cose.js";
import { malformed, outOfScope } from "./errors.js";

export const CERTIFICATE = 1, COPY = 10;
const TYPE = 65010, VERSION = 1, MAX_BYTES = 4096, DIGEST_BYTES = 32, ITEM_BYTES = 16, LATEST = 253402300799000;
const KEYS = [1, 2, 3, 4, 5, 6, 7, 8], PREVIOUS = 9;

// {message, entry}, not yet believed.
export function openEntry(signed) {
  const message = cose.open1(signed, MAX_BYTES + 512), payload = cose.requireTyped(message, TYPE);
  const value = cbor.decode(payload, MAX_BYTES), previous = value instanceof Map ? value.get(PREVIOUS) : undefined;
  cbor.requireMap(value, previous === undefined ? KEYS : [...KEYS, PREVIOUS]);
  if (value.get(1) !== VERSION) throw malformed("unknown_version");
  const recordedAt = cbor.requireUint(value.get(5)), facts = value.get(8);
  if (recordedAt > LATEST || !(facts instanceof Map)) throw malformed("wrong_field");
  for (const [name, fact] of facts) {
    const isPlain = ["number", "string"].includes(typeof fact) || fact instanceof Uint8Array;
    if (typeof name !== "string" || !isPlain) throw malformed("wrong_field");
  }
  if (previous !== undefined) cbor.requireBytes(previous, DIGEST_BYTES);
  cbor.requireBytes(value.get(3), ITEM_BYTES);
  const digest = { sha256: cbor.requireBytes(value.get(6), DIGEST_BYTES), sm3: cbor.requireBytes(value.get(7), DIGEST_BYTES) };
  const entry = { kind: cbor.requireUint(value.get(2)), department: cbor.requireText(value.get(4), 18), recordedAt, digest, facts };
  return { message, entry };
}

// The key of the entry's department when it was recorded.
export function departmentKey(trust, message, entry) {
  const key = trust.key(cose.kidOf(message), "entries", entry.recordedAt / 1000);
  if (key.owner !== entry.department) throw outOfScope("key_of_another");
  return key;
}

// The same of an entry whose department might issue its type then.
export function issuerKey(trust, message, entry) {
  const key = departmentKey(trust, message, entry);
  trust.checkScope(entry.department, entry.facts.get("type"), entry.recordedAt / 1000);
  return key;
}

export const numberIn = (facts, name) => (Number.isSafeInteger(facts.get(name)) ? facts.get(name) : -1);
