// The trust bundle (verifier/trust.py): what everything reduces to. Opened by its own keys, succeeded only by what its
// root documents lead to, or, without them, by what the old keys signed too.

import { fromBase64, fromHex, toHex } from "./bytes.js";
import { contradicted, malformed, notHere, outOfScope, staleTrust, unanchored, unknownStatus, untrusted, wrongSignature } from "./errors.js";
import { canonicalise, checkThreshold, groupOf, seconds } from "./multisigned.js";
import { follow, rootChain } from "./root.js";
import { applyDelta, openToken, stateAt } from "./status.js";
import { kidOf } from "./suites.js";

const CLOCKS_DIFFER = 3600;
const CONTEXT = "suizheng/trust/1\0", FORMAT = "suizheng-trust/1", MAX_CHARS = 64 * 1024 * 1024;

class Trust {
  // `group` holds the bundle; `root` is its newest root document, undefined where there is none.
  constructor(text, content, group, root, keys) {
    Object.assign(this, { text, content, group, root, keys });
    this.version = content.version;
    this.issuedAt = seconds(content.issued_at);
    this.expiresAt = seconds(content.expires_at);
    this.venues = new Map(content.venues.map((venue) => [venue.id, venue]));
    this.types = new Map(content.types.map((type) => [type.code, type.name]));
    this.lists = new Map();
    this.heads = new Set(content.heads.map(canonicalise));
    this.witnesses = content.witnesses ?? [];
    this.witnessThreshold = content.witness_threshold ?? 0;
    this.logKeys = [...keys.values()].filter((key) => key.purposes.includes("log"));
  }

  // The key of this id, if it may serve the purpose at that time in seconds.
  key(kid, purpose, at) {
    const key = this.keys.get(toHex(kid));
    if (!key) throw untrusted("unknown_key");
    if (!key.purposes.includes(purpose)) throw outOfScope("wrong_purpose_of_key");
    if (at < key.from || (key.to !== null && at >= key.to)) throw outOfScope("key_not_valid_then");
    return key;
  }

  // The log's key of this id, past ones too: receipts bear no date.
  logKey(kid) {
    const key = this.keys.get(toHex(kid));
    if (!key) throw untrusted("unknown_log_key");
    if (!key.purposes.includes("log")) throw outOfScope("wrong_purpose_of_key");
    return key;
  }

  checkScope(department, type, at) {
    const holds = (scope) => scope.department === department && scope.type_code === type
      && seconds(scope.valid_from) <= at && (scope.valid_to === null || at < seconds(scope.valid_to));
    if (!this.content.scopes.some(holds)) throw outOfScope("out_of_scope");
  }

  // The JSON Schema of a type's own face data.
  schema(code, version) {
    const found = this.content.types.find((type) => type.code === code && type.version === version);
    if (!found) throw notHere("unknown_type", "schema");
    return found.schema;
  }

  // Listed anchors by the size of their heads; `root` is hexadecimal.
  listed(size) {
    return this.content.heads.filter((head) => head.size === size);
  }

  checkAnchored(size, root) {
    if (!this.listed(size).length) throw unanchored("head_unknown");
    this.checkNotContradicted(size, root);
  }

  checkNotContradicted(size, root) {
    const known = this.listed(size);
    if (known.length && known.every((head) => head.root !== root)) throw contradicted("head_contradicted");
  }

  checkAsListed({ said, text }) {
    this.checkNotContradicted(said.size, said.root);
    const known = this.listed(said.size).filter((head) => isSamePlace(head, said));
    if (known.length && !this.heads.has(text)) throw contradicted("anchor_differs");
    return known.length > 0;
  }

  anchoredAt(size, root) {
    return this.listed(size).filter((head) => head.root === root).map((head) => seconds(head.block_at));
  }

  // What is trusted of the chain and contract that an anchor names; undefined if nothing is.
  findChain(said) {
    return (this.content.chains ?? []).find((chain) => isSamePlace(chain, said) && chain.log_id === said.log_id);
  }

  venue(id) {
    const found = this.venues.get(id);
    if (!found) throw untrusted("unknown_venue");
    return found;
  }

  checkFresh(at, maxAge) {
    if (this.root && at >= this.root.expiresAt) throw staleTrust("root_expired");
    if (at >= this.expiresAt) throw staleTrust("trust_expired");
    if (at - this.issuedAt > maxAge) throw staleTrust("trust_too_old");
  }

  // Since when a newer bundle should be here: a registry makes one by half of a bundle's life; null before.
  lateSince(at) {
    const due = this.issuedAt + (this.expiresAt - this.issuedAt) / 2;
    return at > due ? due : null;
  }

  status(number, index) {
    const list = this.lists.get(number);
    if (!list) throw unknownStatus("no_status_list");
    return stateAt(list.packed, index);
  }
}

const isSamePlace = (left, right) => left.chain_id === right.chain_id && left.contract === right.contract;

// The bundle of a text held by a threshold of its own keys.
export async function openTrust(text) {
  const { content, message, signatures } = parse(text);
  const group = await groupOf(content.roots), chain = await rootChain(content);
  await checkThreshold(group, message, signatures);
  return make(text, content, group, chain.at(-1));
}

// For whoever takes a bundle in, by the clock (seconds): one from the future would stay fresh too long. An hour passes.
export function checkBegun(trust, now) {
  if (trust.issuedAt > now + CLOCKS_DIFFER) throw staleTrust("issued_in_future");
  return trust;
}

// The successor in the text, to which `trust` leads. Throws for an older version (rollback).
export async function acceptTrust(trust, text) {
  if (text === trust.text) return trust;
  const { content, message, signatures } = parse(text);
  if (content.registry !== trust.content.registry) throw wrongSignature("wrong_registry");
  const group = await groupOf(content.roots), chain = await rootChain(content);
  if (trust.root) await follow(trust.root, chain);
  else await checkThreshold(trust.group, message, signatures);
  await checkThreshold(group, message, signatures);
  if (content.version < trust.version) throw staleTrust("rolled_back");
  if (content.version === trust.version) throw wrongSignature("same_version");
  return make(text, content, group, chain.at(-1));
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

async function make(text, content, group, root) {
  const keys = new Map();
  for (const one of content.keys) {
    const raw = fromHex(one.public), to = one.valid_to === null ? null : seconds(one.valid_to);
    const key = { suite: one.suite, raw, owner: one.owner, purposes: one.purposes, from: seconds(one.valid_from), to };
    keys.set(toHex(await kidOf(one.suite, raw)), key);
  }
  const trust = new Trust(text, content, group, root, keys);
  const signer = keys.get(content.status_kid), deltas = content.status_deltas ?? {};
  for (const [number, token] of Object.entries(content.statuses)) {
    if (!signer?.purposes.includes("status")) throw malformed("no_status_key");
    const subject = `${content.log.origin}/status/${number}`, delta = deltas[number];
    const base = await openToken(fromBase64(token), subject, signer);
    trust.lists.set(Number(number), delta ? await applyDelta(base, fromBase64(delta), subject, signer) : base);
  }
  return trust;
}
