// Signature suites as verifier/suites.py names them: 64-byte signatures, raw or compressed keys. Ed25519 and ES256 are
// WebCrypto's; SM2 is sm-crypto-v2's, where it was installed.

import { equal, join, toHex } from "./bytes.js";
import { malformed, notHere, wrongSignature } from "./errors.js";

export const ED25519 = -19, ES256 = -9, SM2 = -65538;
export const KID_BYTES = 8, SIGNATURE_BYTES = 64;

const NAMES = new Map([[ED25519, "ED25519"], [ES256, "ES256"], [SM2, "SM2"]]);
const IMPORTS = new Map([[ED25519, { name: "Ed25519" }], [ES256, { name: "ECDSA", namedCurve: "P-256" }]]);
const CHECKS = new Map([[ED25519, { name: "Ed25519" }], [ES256, { name: "ECDSA", hash: "SHA-256" }]]);
const MAX_KEPT = 4096;

// y² = x³ - 3x + b over p, with p ≡ 3 (mod 4): P-256 (FIPS 186-4) and the curve of GB/T 32918.5.
const P256 = {
  p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
  b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
};
const SM2_CURVE = {
  p: 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn,
  b: 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93n,
};
const SM2_ORDER = 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n;
const HALF_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n >> 1n;
const HALF_ORDER_BYTES = toBytes(HALF_ORDER);

const imported = new Map();

export async function kidOf(suite, raw) {
  const named = join(new TextEncoder().encode(`${NAMES.get(suite)}\0`), raw);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", named)).slice(0, KID_BYTES);
}

// Throws unless the key of these bytes signed the message; undecided where this browser cannot do the suite.
export async function check(suite, raw, signature, message) {
  if (signature.length !== SIGNATURE_BYTES) throw wrongSignature("wrong_length");
  if (suite === SM2) return checkSm2(raw, signature, message);
  // A high s is the same signature in other bytes: one signature has one text.
  if (suite === ES256 && isHigh(signature)) throw wrongSignature("not_canonical");
  const key = await load(suite, raw);
  if (!(await crypto.subtle.verify(CHECKS.get(suite), key, signature, message))) throw wrongSignature();
}

// The library's arithmetic, and by ourselves what it leaves out: the range of r and s (GB/T 32918.2 7.1).
async function checkSm2(raw, signature, message) {
  const point = unfold(raw, SM2_CURVE), parts = [signature.subarray(0, 32), signature.subarray(32)].map(toNumber);
  if (parts.some((part) => part === 0n || part >= SM2_ORDER)) throw wrongSignature();
  const { verifySm2 } = await guoMi("sm2_unavailable");
  if (!verifySm2(message, toHex(signature), toHex(point))) throw wrongSignature();
}

// The installed part for SM2 and SM3; undecided where there is none.
export const guoMi = (reason, check) => import("../../vendor/sm.js").catch(() => { throw notHere(reason, check); });

export async function sign(key, message) {
  return foldHigh(new Uint8Array(await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, message)));
}

// An ECDSA signature with its s in the lower half of the order; one whose s is no number below it stays as it is.
export function foldHigh(signature) {
  const folded = 2n * HALF_ORDER + 1n - toNumber(signature.subarray(32));
  return isHigh(signature) && folded > 0n ? join(signature.subarray(0, 32), toBytes(folded)) : signature;
}

// The compressed point (SEC 1 2.3.3) of a P-256 public key.
export async function compressed(key) {
  const point = new Uint8Array(await crypto.subtle.exportKey("raw", key));
  return join(Uint8Array.of(2 + (point[64] & 1)), point.subarray(1, 33));
}

function isHigh(signature) {
  for (let place = 0; place < 32; place++) {
    const difference = signature[32 + place] - HALF_ORDER_BYTES[place];
    if (difference) return difference > 0;
  }
  return false;
}

// Throws unless the bytes are a key of its suite.
export async function checkKey({ suite, raw }) {
  if (suite === SM2) unfold(raw, SM2_CURVE);
  else await load(suite, raw);
}

async function load(suite, raw) {
  const name = `${suite}:${raw}`;
  let key = imported.get(name);
  if (!key) {
    key = await importKey(suite, raw);
    if (imported.size >= MAX_KEPT) imported.clear();
    imported.set(name, key);
  }
  return key;
}

async function importKey(suite, raw) {
  const algorithm = IMPORTS.get(suite);
  if (!algorithm) throw malformed("unknown_suite");
  try {
    return await crypto.subtle.importKey("raw", raw, algorithm, false, ["verify"]);
  } catch (error) {
    if (error.name === "NotSupportedError" && suite === ED25519) throw notHere("suite_unavailable");
    if (suite !== ES256) throw malformed("not_a_key");
  }
  // Browsers need not take compressed points (Web Cryptography 25.6): unfold it by hand.
  try {
    return await crypto.subtle.importKey("raw", unfold(raw), algorithm, false, ["verify"]);
  } catch {
    throw malformed("not_a_key");
  }
}

export function unfold(raw, { p, b } = P256) {
  const x = toNumber(raw.subarray(1));
  if (raw.length !== 33 || (raw[0] !== 2 && raw[0] !== 3) || x >= p) throw malformed("not_a_key");
  const square = (x * x * x + (p - 3n) * x + b) % p;
  let y = power(square, (p + 1n) / 4n, p);
  if ((y * y) % p !== square) throw malformed("not_a_key");
  if (Number(y & 1n) !== (raw[0] & 1)) y = p - y;
  return join(Uint8Array.of(4), raw.subarray(1), toBytes(y));
}

function power(base, exponent, modulus) {
  let result = 1n;
  for (; exponent; exponent >>= 1n, base = (base * base) % modulus) if (exponent & 1n) result = (result * base) % modulus;
  return result;
}

function toNumber(bytes) {
  let number = 0n;
  for (const byte of bytes) number = (number << 8n) | BigInt(byte);
  return number;
}

function toBytes(number) {
  const bytes = new Uint8Array(32);
  for (let place = 31; place >= 0; place--, number >>= 8n) bytes[place] = Number(number & 255n);
  return bytes;
}

export const isSameKey = (left, right) => left.suite === right.suite && equal(left.raw, right.raw);
