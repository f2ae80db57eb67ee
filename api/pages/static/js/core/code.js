// Codes: parse and judge, in the steps and with the reasons of verifier/code.py. Times are seconds since 1970.

import { toHex } from "./bytes.js";
import * as cbor from "./cbor.js";
import * as cose from "./cose.js";
import { malformed, outOfForce, outOfTime, wrongKind } from "./errors.js";
import { examineFreshness } from "./freshness.js";
import * as payload from "./payload.js";
import { checkProof, deviceKey, openShown } from "./presentation.js";
import { Examination } from "./verdict.js";

export const KINDS = new Map([
  [65001, "person"], [65002, "enterprise"], [65003, "venue"], [65004, "component"], [65005, "printed"], [65009, "derived"],
]);
export const GRANT_KINDS = new Map([[1, "certificate"], [2, "pass"]]);
export const POLICY = {
  required: ["format", "kind", "issuer", "signature", "status", "validity", "freshness"],
  maxTrustAge: 7 * 86400,
  proofWindow: 30,
  proofSkew: 10,
};

export const MAX_BYTES = 2048, CLOCK_SKEW = 60;
const MAX_GRANTS = 16, MAX_GRANTS_SHOWN = 1, CODE_ID_BYTES = 8, ID_BYTES = 16, YEAR_9999 = 253402300799;
const EXPIRES = 4, ISSUED = 6, PRIVATE = -65537;
const VENUE_BYTES = 31, VENUE_LAST_TIME = 0xffffffff;
const BASE32 = "0123456789abcdefghjkmnpqrstvwxyz";

// {kind, shown, claims}; nothing is verified yet.
export function open(text) {
  const shown = openShown(payload.decode(text), MAX_BYTES);
  const typ = shown.message.header.get(cose.TYP), kind = KINDS.get(typ);
  if (!kind) throw wrongKind("unknown_kind");
  const claims = claimsOf(kind, cose.requireTyped(shown.message, typ));
  claims.shownAt = shown.proof?.shownAt ?? null;
  claims.madeAt = claims.shownAt ?? claims.issuedAt;
  return { kind, shown, claims };
}

// What a code of a kind says, from its payload.
export function claimsOf(kind, bytes) {
  const claims = cbor.requireMap(cbor.decode(bytes, MAX_BYTES), [EXPIRES, ISSUED, PRIVATE]);
  if (kind === "venue" && claims.get(PRIVATE) instanceof Uint8Array) return ofVenueString(claims);
  const needsMore = kind === "component" || kind === "derived", parts = cbor.requireList(claims.get(PRIVATE), 8, needsMore ? 8 : 7);
  const isBound = parts.length === 8 && !needsMore, limit = isBound ? MAX_GRANTS_SHOWN : MAX_GRANTS;
  return {
    kind,
    codeId: toHex(cbor.requireBytes(parts[0], CODE_ID_BYTES)),
    generation: cbor.requireUint(parts[1]),
    statusList: cbor.requireUint(parts[2]),
    statusIndex: cbor.requireUint(parts[3]),
    issuedAt: time(claims.get(ISSUED)),
    expiresAt: time(claims.get(EXPIRES)),
    name: parts[4] === null ? null : cbor.requireText(parts[4], 60),
    subject: parts[5] === null ? null : subjectOf(parts[5], kind),
    grants: cbor.requireList(parts[6], limit).map(grantOf),
    deviceKey: isBound ? deviceKey(parts[7]) : null,
    place: kind === "component" ? cbor.requireText(parts[7], 60) : null,
    original: kind === "derived" ? cbor.requireList(parts[7], 2, 2).map(cbor.requireUint) : null,
  };
}

function time(value) {
  if (cbor.requireUint(value) > YEAR_9999) throw malformed("not_a_time");
  return value;
}

// A venue's claims: code id, generation (2 bytes), status list (2), status index (3), the venue's id; times of four bytes.
function ofVenueString(claims) {
  const bytes = cbor.requireBytes(claims.get(PRIVATE), VENUE_BYTES), view = new DataView(bytes.buffer, bytes.byteOffset);
  const [issuedAt, expiresAt] = [ISSUED, EXPIRES].map((name) => cbor.requireUint(claims.get(name)));
  if (Math.max(issuedAt, expiresAt) > VENUE_LAST_TIME) throw malformed("wrong_field");
  return {
    kind: "venue", codeId: toHex(bytes.subarray(0, CODE_ID_BYTES)),
    generation: view.getUint16(8), statusList: view.getUint16(10), statusIndex: view.getUint32(11) & 0xffffff,
    issuedAt, expiresAt, name: null, subject: venueOf(bytes.subarray(15)), grants: [], deviceKey: null, place: null, original: null,
  };
}

function grantOf(value) {
  const parts = cbor.requireList(value, 5, 5), kind = GRANT_KINDS.get(cbor.requireUint(parts[0]));
  if (!kind) throw malformed("wrong_field");
  const ref = kind === "pass" ? venueOf(parts[1]) : cbor.requireText(parts[1], 32);
  return { kind, ref, statusList: cbor.requireUint(parts[2]), statusIndex: cbor.requireUint(parts[3]), until: time(parts[4]) };
}

function subjectOf(value, kind) {
  return kind === "venue" && value instanceof Uint8Array ? venueOf(value) : cbor.requireText(value, 32);
}

function venueOf(value) {
  let number = BigInt(`0x${toHex(cbor.requireBytes(value, ID_BYTES))}`), text = "";
  for (let n = 0; n < 26; n++, number >>= 5n) text = BASE32[Number(number & 31n)] + text;
  return text;
}

// {verdict, claims}: believe the claims only if the verdict is valid. Never throws for any text.
export async function examine(text, trust, at, kinds = [...KINDS.values()], policy = POLICY) {
  const exam = new Examination(at);
  await examineFreshness(exam, trust, policy.maxTrustAge);
  const opened = await exam.run("format", () => open(text));
  if (!opened) return { verdict: exam.conclude(policy), claims: null };
  const { kind, shown, claims } = opened, { message } = shown;
  await exam.run("kind", () => checkKind(kind, kinds));
  const key = await exam.run("issuer", () => trust.key(cose.kidOf(message), `code:${kind}`, claims.issuedAt), trust.issuedAt);
  if (key) {
    await exam.run("signature", () => cose.check(message, key));
    if (kind === "venue") await exam.run("issuer", () => trust.venue(claims.subject ?? ""), trust.issuedAt);
  }
  if (claims.deviceKey || shown.proof) await exam.run("possession", () => checkProof(shown, claims.deviceKey, at, policy));
  if (kind === "printed") exam.skip("holder", "second_factor_due");
  if (kind === "derived") exam.skip("files", "paper_unchecked");
  await exam.run("validity", () => checkTimes(claims, at));
  await exam.run("status", () => checkStatus(claims, trust), trust.issuedAt);
  return { verdict: exam.conclude(policy, claims), claims };
}

function checkKind(kind, kinds) {
  if (!kinds.includes(kind)) throw wrongKind("wrong_kind");
}

export function checkTimes(claims, at) {
  if (at < claims.issuedAt - CLOCK_SKEW) throw outOfTime("not_yet_valid");
  if (at >= claims.expiresAt) throw outOfTime("expired");
}

export function checkStatus(claims, trust) {
  // A copy is nothing without its original.
  for (const [list, index] of [[claims.statusList, claims.statusIndex], ...(claims.original ? [claims.original] : [])]) {
    const state = trust.status(list, index);
    if (state !== "valid") throw outOfForce(`status_${state}`);
  }
}
