// Links of a delegation, as verifier/delegation.py has them: each is signed by who stands above it, and only narrows.

import { equal, join } from "./bytes.js";
import * as cbor from "./cbor.js";
import * as cose from "./cose.js";
import { VerificationError, malformed, tooWide, wrongSignature } from "./errors.js";
import { ED25519, ES256, SIGNATURE_BYTES, SM2, check, checkKey, kidOf } from "./suites.js";

export const ROLES = ["representative", "manager", "handler"], MAX_LINKS = 3;

const MAX_LINK_BYTES = 640, MAX_SCOPE = 16, YEAR_9999 = 253402300799;

// {payload, signature, claims} of [payload, signature]; nothing is verified yet.
export async function openLink(value) {
  const parts = cbor.requireList(value, 2, 2), payload = cbor.requireBytes(parts[0]);
  return { payload, signature: cbor.requireBytes(parts[1], SIGNATURE_BYTES), claims: await claimsOf(payload) };
}

// {role, key: {suite, raw}, matters, types (sorted, null: as the one above), issuedAt, beginsAt, endsAt, statusList, statusIndex}.
export async function claimsOf(payload) {
  const parts = cbor.requireList(cbor.decode(payload, MAX_LINK_BYTES), 10, 10), role = ROLES[cbor.requireUint(parts[0])];
  if (!role) throw malformed("wrong_field");
  if (![ED25519, ES256, SM2].includes(parts[1])) throw malformed("unknown_suite");
  const [issued, waits, lasts] = parts.slice(5, 8).map(cbor.requireUint), key = { suite: parts[1], raw: cbor.requireBytes(parts[2]) };
  await checkKey(key);
  return {
    role, key, matters: scopeOf(parts[3], 32), types: scopeOf(parts[4], 21),
    issuedAt: time(issued), beginsAt: time(issued + waits), endsAt: time(issued + waits + lasts),
    statusList: cbor.requireUint(parts[8]), statusIndex: cbor.requireUint(parts[9]),
  };
}

export function time(seconds) {
  if (seconds > YEAR_9999) throw malformed("not_a_time");
  return seconds;
}

function scopeOf(value, limit) {
  if (value === null) return null;
  const scope = cbor.requireList(value, MAX_SCOPE, 1).map((item) => cbor.requireText(item, limit));
  if (scope.some((item, place) => place && compareText(scope[place - 1], item) >= 0)) throw malformed("not_canonical");
  return scope;
}

// By code points, as the verifier sorts; JavaScript's own order is by UTF-16 units.
function compareText(left, right) {
  const [one, other] = [left, right].map((text) => Array.from(text, (sign) => sign.codePointAt(0)));
  for (let place = 0; place < Math.min(one.length, other.length); place++) {
    if (one[place] !== other[place]) return one[place] - other[place];
  }
  return one.length - other.length;
}

// What the next link is tied to: SHA-256(payload || signature).
export async function anchorOf(link) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", join(link.payload, link.signature)));
}

// The bytes that a delegator {suite, raw} signs; external: the enterprise's USCC in ASCII, or the anchor of the link above.
export async function linkToBeSigned(payload, signer, external) {
  const header = cose.protectedOf(signer.suite, await kidOf(signer.suite, signer.raw), cose.DELEGATION);
  return cose.toBeSigned(header, payload, external);
}

export async function checkLink(link, signer, external) {
  try {
    await check(signer.suite, signer.raw, link.signature, await linkToBeSigned(link.payload, signer, external));
  } catch (error) {
    throw error instanceof VerificationError && error.state === "invalid" && error.check === "signature"
      ? wrongSignature("link_not_by_delegator") : error;
  }
}

// {matters, types (null: all), beginsAt, endsAt}: what links (their claims, from the top) give together.
export function reachOf(links) {
  if (links.length < 1 || links.length > MAX_LINKS) throw tooWide("too_deep");
  const keys = links.map((link) => link.key);
  if (keys.some((key, place) => keys.slice(0, place).some((one) => one.suite === key.suite && equal(one.raw, key.raw)))) throw tooWide("same_key_twice");
  let reach = null;
  links.forEach((link, place) => {
    if (place && ROLES.indexOf(link.role) <= ROLES.indexOf(links[place - 1].role)) throw tooWide("wrong_order");
    reach = narrow(reach, link);
  });
  return reach;
}

function narrow(reach, link) {
  const { matters, types, issuedAt, beginsAt, endsAt } = link;
  if (!(issuedAt <= beginsAt && beginsAt < endsAt)) throw tooWide("empty_period");
  if (reach === null) return { matters, types, beginsAt, endsAt };
  if (beginsAt < reach.beginsAt || endsAt > reach.endsAt) throw tooWide("period_widened");
  if (issuedAt < reach.beginsAt) throw tooWide("delegated_out_of_period");
  return { matters: subset(matters, reach.matters), types: subset(types, reach.types), beginsAt, endsAt };
}

function subset(narrower, wider) {
  if (narrower === null) return wider;
  if (wider !== null && !narrower.every((item) => wider.includes(item))) throw tooWide("scope_widened");
  return narrower;
}
