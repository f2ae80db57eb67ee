// Codes of other systems: the EU Digital COVID Certificate, judged as verifier/foreign/ does, by the issuers that the trust
// bundle lists.

import { Float, Tagged, decodeAny } from "./any_cbor.js";
import { equal, fromBase64, join } from "./bytes.js";
import * as cbor from "./cbor.js";
import { readCertificate } from "./certificate.js";
import * as cose from "./cose.js";
import { malformed, notHere, outOfScope, outOfTime, untrusted, wrongSignature } from "./errors.js";
import { examineFreshness } from "./freshness.js";
import * as payload from "./payload.js";
import { Examination } from "./verdict.js";

const PROFILE = "eu-dcc", PREFIX = "HC1:", MAX_CHARS = 4296, MAX_BYTES = 16 * 1024, YEAR_9999 = 253402300799;
const SIGN1 = 18, CWT = 61, ALG = 1, KID = 4, ES256 = -7, PS256 = -37, SALT_BYTES = 32;
const ISSUER = 1, EXPIRES = 4, ISSUED = 6, HEALTH = -260;
const RECORDS = new Map([["v", "vaccination"], ["t", "test"], ["r", "recovery"]]);
const REQUIRED = ["format", "kind", "issuer", "signature", "validity", "freshness"];

const listed = new WeakMap();

export const isForeign = (text) => text.startsWith(PREFIX);

// {verdict, claims}: believe the claims only if the verdict is valid. Never throws for any text.
export async function examineForeign(text, trust, at, maxTrustAge) {
  const exam = new Examination(at), policy = { required: REQUIRED };
  await examineFreshness(exam, trust, maxTrustAge);
  const code = await exam.run("format", () => read(text));
  if (!code) return { verdict: exam.conclude(policy), claims: null };
  await exam.run("kind", () => {});
  const issuer = await exam.run("issuer", () => issuerOf(code, trust), trust.issuedAt);
  if (issuer) await exam.run("signature", () => checkSignature(code, issuer));
  await exam.run("validity", () => checkPeriod(code, at));
  exam.skip("status", "no_status_list");
  return { verdict: exam.conclude(policy, code.claims), claims: code.claims };
}

// {kid, algorithm, signed, signature, claims}; nothing is verified yet.
async function read(text) {
  if (Array.from(text).length > MAX_CHARS) throw malformed("too_long");
  let packed;
  try {
    packed = payload.decodeBase45(text.slice(PREFIX.length));
  } catch {
    throw malformed("not_base45");
  }
  let value = decodeAny(await inflate(packed));
  for (const tag of [CWT, SIGN1]) if (value instanceof Tagged && value.tag === tag) value = value.value;
  const [protectedBytes, unprotected, body, signature] = cbor.requireList(value, 4, 4);
  cbor.requireBytes(protectedBytes);
  map(unprotected);
  cbor.requireBytes(body);
  cbor.requireBytes(signature);
  const header = protectedBytes.length ? map(decodeAny(protectedBytes)) : new Map(), claims = map(decodeAny(body));
  const named = (label) => (header.has(label) ? header : unprotected).get(label);
  return {
    kid: cbor.requireBytes(named(KID), 8), algorithm: integer(named(ALG)), signature, signed: cose.toBeSigned(protectedBytes, body),
    claims: { kind: PROFILE, issuedAt: time(claims.get(ISSUED)), expiresAt: time(claims.get(EXPIRES)), ...subjectOf(claims) },
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

// Country, record, day and the initials of the name: nobody at a window needs more to see whose it may be.
function subjectOf(claims) {
  const health = map(map(claims.get(HEALTH)).get(1)), kind = [...RECORDS.keys()].find((one) => isThere(health.get(one)));
  if (!kind) throw malformed("wrong_fields");
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

async function issuerOf(code, trust) {
  const found = (await issuersOf(trust)).find((one) => one.profile === PROFILE && equal(one.kid, code.kid));
  if (!found) throw untrusted("unknown_issuer");
  const certificate = await readCertificate(found.der), { issuedAt } = code.claims;
  if (issuedAt < certificate.begins || issuedAt > certificate.ends) throw outOfScope("key_not_valid_then");
  return certificate;
}

async function checkSignature({ algorithm, signed, signature }, { kind, key }) {
  let holds = false;
  if (algorithm === ES256 && kind === "ECDSA") {
    const given = halves(signature);
    holds = given !== null && await crypto.subtle.verify({ name: kind, hash: "SHA-256" }, key, given, signed);
  } else if (algorithm === PS256 && kind === "RSA-PSS") {
    holds = await crypto.subtle.verify({ name: kind, saltLength: SALT_BYTES }, key, signature, signed);
  } else throw malformed("wrong_suite");
  if (!holds) throw wrongSignature();
}

// r || s in 32 bytes each, however long their halves are written; null where they are larger.
function halves(signature) {
  const middle = signature.length >> 1, fitted = [signature.subarray(0, middle), signature.subarray(middle)].map((part) => {
    const first = part.findIndex((byte) => byte), number = first < 0 ? part.subarray(0, 0) : part.subarray(first);
    return number.length > 32 ? null : join(new Uint8Array(32 - number.length), number);
  });
  return fitted.includes(null) ? null : join(...fitted);
}

function checkPeriod({ claims }, at) {
  if (at < claims.issuedAt) throw outOfTime("not_yet_valid");
  if (at >= claims.expiresAt) throw outOfTime("expired");
}
