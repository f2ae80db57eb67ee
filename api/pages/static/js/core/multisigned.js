// Canonical JSON under several signatures (verifier/multisigned.py).

import { fromBase64, fromHex, toHex } from "./bytes.js";
import { malformed, wrongSignature } from "./errors.js";
import { check, kidOf } from "./suites.js";

// RFC 8785: members in the order of UTF-16 code units, numbers and text as ECMAScript writes them.
export function canonicalise(value) {
  if (Array.isArray(value)) return `[${value.map(canonicalise).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonicalise(value[name])}`).join(",")}}`;
}

export function seconds(text) {
  if (typeof text !== "string" || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text)) throw malformed("not_a_time");
  const milliseconds = Date.parse(text);
  if (Number.isNaN(milliseconds)) throw malformed("not_a_time");
  return milliseconds / 1000;
}

// The inverse of `seconds`; fractions are dropped.
export function toText(at) {
  if (!(at >= 0 && at < 253402300800)) throw malformed("not_a_time");
  return `${new Date(Math.floor(at) * 1000).toISOString().slice(0, 19)}Z`;
}

// {threshold, keys: id -> key} of {threshold, keys: [{suite, public}]}.
export async function groupOf(value) {
  const keys = new Map();
  try {
    for (const { suite, public: raw } of value.keys) {
      const bytes = fromHex(raw);
      keys.set(toHex(await kidOf(suite, bytes)), { suite, raw: bytes });
    }
  } catch {
    throw malformed("wrong_fields");
  }
  const { threshold } = value;
  if (!Number.isSafeInteger(threshold) || threshold < 1 || threshold > keys.size) throw malformed("wrong_field");
  return { threshold, keys };
}

// Throws unless so many different keys of the group have signed.
export async function checkThreshold(group, message, signatures) {
  const held = new Set();
  for (const { kid, signature } of signatures) {
    const key = group.keys.get(kid);
    if (!key) continue;
    await check(key.suite, key.raw, fromBase64(signature), message);
    held.add(kid);
  }
  if (held.size < group.threshold) throw wrongSignature("below_threshold");
}
