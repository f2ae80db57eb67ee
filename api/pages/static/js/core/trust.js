// The trust bundle (verifier/trust.py): what everything reduces to. Opened by its own root keys, succeeded only by what
// the old root keys signed too.

import { fromBase64, fromHex, toHex } from "./bytes.js";
import { malformed, outOfScope, staleTrust, unknownStatus, untrusted, wrongSignature } from "./errors.js";
import { openToken, stateAt } from "./status.js";
import { check, kidOf } from "./suites.js";

const CONTEXT = "suizheng/trust/1\0", FORMAT = "suizheng-trust/1", MAX_CHARS = 64 * 1024 * 1024;

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

class Trust {
  constructor(text, content, roots, keys) {
    Object.assign(this, { text, content, roots, keys });
    this.version = content.version;
    this.issuedAt = seconds(content.issued_at);
    this.expiresAt = seconds(content.expires_at);
    this.venues = new Map(content.venues.map((venue) => [venue.id, venue]));
    this.types = new Map(content.types.map((type) => [type.code, type.name]));
    this.lists = new Map();
  }

  // The key of this id, if it may serve the purpose at that time in seconds.
  key(kid, purpose, at) {
    const key = this.keys.get(toHex(kid));
    if (!key) throw untrusted("unknown_key");
    if (!key.purposes.includes(purpose)) throw outOfScope("wrong_purpose_of_key");
    if (at < key.from || (key.to !== null && at >= key.to)) throw outOfScope("key_not_valid_then");
    return key;
  }

  venue(id) {
    const found = this.venues.get(id);
    if (!found) throw untrusted("unknown_venue");
    return found;
  }

  checkFresh(at, maxAge) {
    if (at >= this.expiresAt) throw staleTrust("trust_expired");
    if (at - this.issuedAt > maxAge) throw staleTrust("trust_too_old");
  }

  status(number, index) {
    const packed = this.lists.get(number);
    if (!packed) throw unknownStatus("no_status_list");
    return stateAt(packed, index);
  }
}

// The bundle of a text held by a threshold of its own root keys.
export async function openTrust(text) {
  const { content, message, signatures } = parse(text);
  const roots = await rootsOf(content);
  await checkThreshold(content, roots, message, signatures);
  return make(text, content, roots);
}

// The successor in the text, held by the root keys of `trust` too. Throws for an older version (rollback).
export async function acceptTrust(trust, text) {
  if (text === trust.text) return trust;
  const { content, message, signatures } = parse(text);
  if (content.registry !== trust.content.registry) throw wrongSignature("wrong_registry");
  const roots = await rootsOf(content);
  await checkThreshold(trust.content, trust.roots, message, signatures);
  await checkThreshold(content, roots, message, signatures);
  if (content.version < trust.version) throw staleTrust("rolled_back");
  if (content.version === trust.version) throw wrongSignature("same_version");
  return make(text, content, roots);
}

function parse(text) {
  let value;
  try {
    value = text.length > MAX_CHARS ? null : JSON.parse(text);
  } catch {
    throw malformed("not_json");
  }
  if (value === null || typeof value !== "object" || !value.signed || !Array.isArray(value.signatures)) throw malformed("not_a_trust_bundle");
  if (canonicalise(value) !== text) throw malformed("not_canonical");
  const content = value.signed;
  if (content.format !== FORMAT) throw malformed("unknown_version");
  if (!Number.isSafeInteger(content.version) || content.version < 1) throw malformed("wrong_field");
  const message = new TextEncoder().encode(CONTEXT + canonicalise(content));
  return { content, message, signatures: value.signatures };
}

async function rootsOf(content) {
  const roots = new Map();
  try {
    for (const { suite, public: raw } of content.roots.keys) {
      const bytes = fromHex(raw);
      roots.set(toHex(await kidOf(suite, bytes)), { suite, raw: bytes });
    }
  } catch {
    throw malformed("wrong_fields");
  }
  const { threshold } = content.roots;
  if (!Number.isSafeInteger(threshold) || threshold < 1 || threshold > roots.size) throw malformed("wrong_field");
  return roots;
}

async function checkThreshold(content, roots, message, signatures) {
  const held = new Set();
  for (const { kid, signature } of signatures) {
    const root = roots.get(kid);
    if (!root) continue;
    await check(root.suite, root.raw, fromBase64(signature), message);
    held.add(kid);
  }
  if (held.size < content.roots.threshold) throw wrongSignature("below_threshold");
}

async function make(text, content, roots) {
  const keys = new Map();
  for (const one of content.keys) {
    const raw = fromHex(one.public), to = one.valid_to === null ? null : seconds(one.valid_to);
    const key = { suite: one.suite, raw, purposes: one.purposes, from: seconds(one.valid_from), to };
    keys.set(toHex(await kidOf(one.suite, raw)), key);
  }
  const trust = new Trust(text, content, roots, keys);
  const signer = keys.get(content.status_kid);
  for (const [number, token] of Object.entries(content.statuses)) {
    if (!signer?.purposes.includes("status")) throw malformed("no_status_key");
    const subject = `${content.log.origin}/status/${number}`;
    trust.lists.set(Number(number), await openToken(fromBase64(token), subject, signer));
  }
  return trust;
}
