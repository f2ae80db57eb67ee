// Status lists: 4 bits an item, compressed and signed (verifier/status.py), and what changed since (verifier/status_delta.py).

import { equal } from "./bytes.js";
import * as cbor from "./cbor.js";
import * as cose from "./cose.js";
import { malformed, unknownStatus } from "./errors.js";

const CAPACITY = 1 << 20, BYTES = CAPACITY / 2, MAX_TOKEN_BYTES = 1 << 20;
const MEDIA_TYPE = "application/statuslist+cwt";
const SUBJECT = 2, EXPIRES = 4, ISSUED = 6, LIST = 65533;
const BASE = -65537, CHANGES = -65538, MAX_CHANGES = 1 << 15, MAX_DELTA_BYTES = 1 << 18;
const NAMES = new Map([
  [0, "valid"], [1, "revoked"], [2, "suspended"], [3, "superseded"], [11, "lapsed"], [12, "cancelled"], [13, "penalty"],
  [14, "transferred"], [15, "lost"],
]);

// The state's name of an item in the packed bytes of its list.
export function stateAt(packed, index) {
  if (index < 0 || index >= CAPACITY) throw unknownStatus("index_out_of_range");
  const name = NAMES.get((packed[index >> 1] >> ((index & 1) * 4)) & 15);
  if (name === undefined) throw unknownStatus("unknown_status");
  return name;
}

// {packed, issuedAt} of a token signed by `key` for `subject`.
export async function openToken(token, subject, key) {
  const claims = await claimsOf(token, MEDIA_TYPE, MAX_TOKEN_BYTES, [LIST], subject, key);
  const content = cbor.requireMap(claims.get(LIST), ["bits", "lst"]);
  if (content.get("bits") !== 4) throw malformed("wrong_field");
  return { packed: await inflate(cbor.requireBytes(content.get("lst"))), issuedAt: cbor.requireUint(claims.get(ISSUED)) };
}

// The same with the changes of a delta put on it; only the very list that the delta was made for will do.
export async function applyDelta(list, token, subject, key) {
  const claims = await claimsOf(token, cose.STATUS_DELTA, MAX_DELTA_BYTES, [BASE, CHANGES], subject, key);
  const name = new Uint8Array(await crypto.subtle.digest("SHA-256", list.packed));
  if (!equal(cbor.requireBytes(claims.get(BASE)), name)) throw malformed("wrong_base");
  const packed = list.packed.slice(), issuedAt = cbor.requireUint(claims.get(ISSUED));
  if (issuedAt < list.issuedAt) throw malformed("delta_older");
  let index = -1;
  for (const change of cbor.requireList(claims.get(CHANGES), MAX_CHANGES)) {
    const gap = Math.floor(cbor.requireUint(change) / 16), shift = ((index + gap) & 1) * 4;
    index += gap;
    if (gap === 0 || index >= CAPACITY) throw malformed("wrong_field");
    packed[index >> 1] = (packed[index >> 1] & ~(15 << shift)) | ((change % 16) << shift);
  }
  return { packed, issuedAt };
}

// What `key` signed as one type about the list that `subject` names.
async function claimsOf(token, typ, limit, names, subject, key) {
  const message = cose.open1(token, limit), payload = cose.requireTyped(message, typ);
  await cose.check(message, key);
  const claims = cbor.requireMap(cbor.decode(payload, limit), [SUBJECT, EXPIRES, ISSUED, ...names]);
  if (claims.get(SUBJECT) !== subject) throw malformed("wrong_list");
  return claims;
}

// Bounded: a list is never larger than its capacity, however small its compressed form.
async function inflate(compressed) {
  const reader = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const packed = new Uint8Array(BYTES);
  let place = 0;
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (place + part.value.length > BYTES) throw malformed("wrong_length");
      packed.set(part.value, place);
      place += part.value.length;
    }
  } catch (error) {
    throw error.reason ? error : malformed("not_compressed");
  }
  if (place !== BYTES) throw malformed("wrong_length");
  return packed;
}
