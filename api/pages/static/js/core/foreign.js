// Codes of other systems: the EU Digital COVID Certificate, judged as verifier/foreign/ does, by the issuers that the trust
// bundle lists.

import { Float, Tagged, decodeWhole } from "./any_cbor.js";
import { equal, fromBase64, join } from "./bytes.js";
import * as cbor from "./cbor.js";
import { readCertificate } from "./certificate.js";
import * as cose from "./cose.js";
import { malformed, notHere, outOfScope, outOfTime, untrusted, wrongSignature } from "./errors.js";
import { examineFreshness } from "./freshness.js";
import * as payload from "./payload.js";
import { Examination } from "./verdict.js";

const PROFILE = "eu-dcc", PREFIX = "HC1:", MAX_CHARS = 4296, MAX_BYTES = 16 * 1024, YEAR_9999 = 253402300799;
const SIGN1 = 18, CWT = 61, ALG = 1, CRITICAL = 2, KID = 4, ES256 = -7, PS256 = -37, SALT_BYTES = 32, ES256_BYTES = 64;
const ISSUER = 1, EXPIRES = 4, NOT_BEFORE = 5, ISSUED = 6, HEALTH = -260;
const RECORDS = new Map([["v", "vaccination"], ["t", "test"], ["r", "recovery"]]);
// Extended key usages of signers' certificates, in the later form and the early one (1.3.6.1.4.1.1847.2021.1, …4.1.0.1847…).
const USES = new Map([["t", 1], ["v", 2], ["r", 3]].map(([kind, last]) => [kind, ["2b060104018e378f6501", "2b06010401008e378f6501"].map((head) => `${head}0${last}`)]));
const ALL_USES = [...USES.values()].flat();
const REQUIRED = ["format", "kind", "issuer", "signature", "validity", "freshness"];

const listed = new WeakMap();

export const isForeign = (text) => text.slice(0, PREFIX.length).toUpperCase() === PREFIX;

// {verdict, claims}: believe the claims only if the verdict is valid. Never throws for any text.
export async function examineForeign(text, trust, at, maxTrustAge) {
  const exam = new Examination(at), policy = { required: REQUIRED };
  await examineFreshness(exam, trust, maxTrustAge);
  const code = await exam.run("format", () => read(text));
  if (!code) return { verdict: exam.conclude(policy), claims: null };
  await exam.run("kind", () => {});
  const issuer = await exam.run("issuer", () => issuerOf(code, trust), trust.issuedAt);
  if (issuer) await exam.run("signature", () => checkSignature(code, issuer));
  await exam.run("validity", () => checkPeriod(code, issuer, at));
  exam.skip("status", "no_status_list");
  return { verdict: exam.conclude(policy, code.claims), claims: code.claims };
}

// {kid, algorithm, signed, signature, claims}; nothing is verified yet.
async function read(text) {
  if (Array.from(text).length > MAX_CHARS) throw malformed("too_long");
  let packed;
  try {
    // Caps Lock: Base45 has no small letters.
    const plain = /^[\x00-\x7f]*$/.test(text) ? text.toUpperCase() : text;
    packed = payload.decodeBase45(plain.slice(PREFIX.length));
  } catch {
    throw malformed("not_base45");
  }
  let value = decodeWhole(await inflate(packed));
  for (const tag of [CWT, SIGN1]) if (value instanceof Tagged && value.tag === tag) value = value.value;
  const [protectedBytes, unprotected, body, signature] = cbor.requireList(value, 4, 4);
  cbor.requireBytes(protectedBytes);
  map(unprotected);
  cbor.requireBytes(body);
  cbor.requireBytes(signature);
  const header = protectedBytes.length ? map(decodeWhole(protectedBytes)) : new Map(), claims = map(decodeWhole(body));
  const named = (label) => (header.has(label) ? header : unprotected).get(label);
  if (header.has(CRITICAL)) throw malformed("unknown_critical");
  const kind = kindOf(claims), issuedAt = time(claims.get(ISSUED)), kid = named(KID) ?? null;
  return {
    kid: kid === null ? null : cbor.requireBytes(kid, 8), algorithm: integer(named(ALG)), signature, signed: cose.toBeSigned(protectedBytes, body),
    beginsAt: Math.max(issuedAt, claims.has(NOT_BEFORE) ? time(claims.get(NOT_BEFORE)) : issuedAt), uses: USES.get(kind),
    claims: { kind: PROFILE, issuedAt, expiresAt: time(claims.get(EXPIRES)), ...subjectOf(claims, kind) },
  };
}

// zlib (RFC 1950), never more than MAX_BYTES of it.
async function inflate(packed) {
  if (!globalThis.DecompressionStream) throw notHere("kind_unavailable", "format");
  const parts = [];
  let size = 0;
  try {
    const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
    for (let read = await reader.read(); !read.done && size <= MAX_BYTES; read = await reader.read()) {
      parts.push(read.value);
      size += read.value.length;
    }
    if (size > MAX_BYTES) reader.cancel().catch(() => {});
  } catch {
    throw malformed("not_compressed");
  }
  if (size > MAX_BYTES) throw malformed("too_long");
  return join(...parts);
}

// Which of the three certificates it is: v, t or r.
function kindOf(claims) {
  const health = map(map(claims.get(HEALTH)).get(1)), kinds = [...RECORDS.keys()].filter((one) => isThere(health.get(one)));
  if (kinds.length !== 1) throw malformed("wrong_fields");
  return kinds[0];
}

// Country, record, day and the initials of the name: nobody at a window needs more to see whose it may be.
function subjectOf(claims, kind) {
  const health = map(map(claims.get(HEALTH)).get(1));
  const records = health.get(kind), record = map(Array.isArray(records) ? records[0] : null), name = map(health.get("nam"));
  const day = ["dt", "fr", "sc"].map((field) => record.get(field)).find(isThere);
  return {
    record: RECORDS.get(kind), country: text(record.get("co")) ?? text(claims.get(ISSUER)), issuer: text(record.get("is")), day: text(day),
    name: [name.get("gn"), name.get("fn")].filter((one) => typeof one === "string" && one).map((one) => `${Array.from(one)[0]}***`).join(" "),
    doses: kind === "v" ? `${integer(record.get("dn"))}/${integer(record.get("sd"))}` : null,
  };
}

const isThere = (value) => Boolean(Array.isArray(value) ? value.length : value instanceof Map ? value.size : value instanceof Float ? value.number : value);

function text(value) {
  // A date and time as text (RFC 8949 3.4.1): the day is enough.
  if (value instanceof Tagged && value.tag === 0) return text(value.value)?.slice(0, 10) ?? null;
  return typeof value === "string" && value ? Array.from(value).slice(0, 80).join("") : null;
}

function map(value) {
  if (!(value instanceof Map)) throw malformed("wrong_field");
  return value;
}

function integer(value) {
  if (typeof value !== "number") throw malformed("wrong_field");
  return value;
}

// Some issuers write fractions of a second.
function time(value) {
  const seconds = integer(value instanceof Float && Number.isInteger(value.number) ? value.number : value);
  if (seconds < 0 || seconds > YEAR_9999) throw malformed("not_a_time");
  return seconds;
}

// [{kid, profile, der}] of a trust bundle, read once.
function issuersOf(trust) {
  if (!listed.has(trust)) listed.set(trust, Promise.all((trust.content.issuers ?? []).map(named)));
  return listed.get(trust);
}

async function named({ profile, certificate }) {
  const der = fromBase64(certificate);
  return { profile, der, kid: new Uint8Array(await crypto.subtle.digest("SHA-256", der)).slice(0, 8) };
}

// Of several certificates that bear the name which the code gives, or of all, the one it verifies with.
async function issuerOf(code, trust) {
  const known = (await issuersOf(trust)).filter((one) => one.profile === PROFILE && (code.kid === null || equal(one.kid, code.kid)));
  let certificate = null;
  for (const { der } of known) {
    const one = await readCertificate(der), signed = await checkSignature(code, one).then(() => true, () => false);
    if (signed) { certificate = one; break; }
    if (code.kid !== null) certificate ??= one;
  }
  if (!certificate) throw untrusted("unknown_issuer");
  const { issuedAt } = code.claims, limited = certificate.uses.filter((one) => ALL_USES.includes(one));
  if (issuedAt < certificate.begins || issuedAt > certificate.ends) throw outOfScope("key_not_valid_then");
  if (limited.length && !limited.some((one) => code.uses.includes(one))) throw outOfScope("wrong_use");
  return certificate;
}

async function checkSignature({ algorithm, signed, signature }, { kind, key }) {
  let holds = false;
  if (algorithm !== ES256 && algorithm !== PS256) throw malformed("unknown_suite");
  if (algorithm === ES256 && kind === "ECDSA") {
    // r and s one after another, 32 bytes each (RFC 9053 2.1).
    if (signature.length !== ES256_BYTES) throw malformed("wrong_length");
    holds = await crypto.subtle.verify({ name: kind, hash: "SHA-256" }, key, signature, signed);
  } else if (algorithm === PS256 && kind === "RSA-PSS") {
    holds = await crypto.subtle.verify({ name: kind, saltLength: SALT_BYTES }, key, signature, signed);
  } else throw malformed("wrong_suite");
  if (!holds) throw wrongSignature();
}

function checkPeriod({ beginsAt, claims }, issuer, at) {
  if (at < beginsAt) throw outOfTime("not_yet_valid");
  if (at >= claims.expiresAt) throw outOfTime("expired");
  if (issuer && at > issuer.ends) throw outOfTime("issuer_expired");
}
