// Status lists: 4 bits an item, compressed and signed (verifier/status.py).

import * as cbor from "./cbor.js";
import * as cose from "./cose.js";
import { malformed, unknownStatus } from "./errors.js";

const CAPACITY = 1 << 20, BYTES = CAPACITY / 2, MAX_TOKEN_BYTES = 1 << 20;
const MEDIA_TYPE = "application/statuslist+cwt";
const SUBJECT = 2, EXPIRES = 4, ISSUED = 6, LIST = 65533;
const NAMES = new Map([
  [0, "valid"], [1, "revoked"], [2, "suspended"], [3, "superseded"], [11, "lapsed"], [12, "cancelled"], [13, "penalty"],
  [14, "transferred"], [15, "lost"],
]);

// The state's name of an item in the packed bytes of its list.
export function stateAt(packed, index) {
  if (index >= CAPACITY) throw unknownStatus("index_out_of_range");
  const name = NAMES.get((packed[index >> 1] >> ((index & 1) * 4)) & 15);
  if (name === undefined) throw unknownStatus("unknown_status");
  return name;
}

// The packed bytes of a token signed by `key` for `subject`.
export async function openToken(token, subject, key) {
  const message = cose.open1(token, MAX_TOKEN_BYTES), payload = cose.requireTyped(message, MEDIA_TYPE);
  await cose.check(message, key);
  const claims = cbor.requireMap(cbor.decode(payload, MAX_TOKEN_BYTES), [SUBJECT, EXPIRES, ISSUED, LIST]);
  if (claims.get(SUBJECT) !== subject) throw malformed("wrong_list");
  const content = cbor.requireMap(claims.get(LIST), ["bits", "lst"]);
  if (content.get("bits") !== 4) throw malformed("wrong_field");
  return inflate(cbor.requireBytes(content.get("lst")));
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
