// A code bound to a device and the device's fresh proof, as verifier/presentation.py has them.

import { join } from "./bytes.js";
import * as cbor from "./cbor.js";
import * as cose from "./cose.js";
import { malformed, noProof, outOfTime, VerificationError } from "./errors.js";
import { ED25519, ES256, SIGNATURE_BYTES, check, sign } from "./suites.js";

const ARRAY_OF_FIVE = 0x85, SUITES = new Map([[32, ED25519], [33, ES256]]);
const headers = new Map([ED25519, ES256].map((suite) => [suite, cose.protectedOf(suite, null, cose.POSSESSION)]));

// {message, code, proof: {shownAt (seconds), signature} or null}; nothing is verified yet.
export function openShown(bytes, limit) {
  if (bytes[0] !== ARRAY_OF_FIVE) return { message: cose.open1(bytes, limit), code: bytes, proof: null };
  const parts = cbor.requireList(cbor.decode(bytes, limit), 5, 5);
  const shownAt = cbor.requireUint(parts[0]), signature = cbor.requireBytes(parts[1], SIGNATURE_BYTES);
  if (shownAt > 253402300799) throw malformed("not_a_time");
  const { message, bytes: code } = cose.fromParts(parts[2], parts[3], parts[4]);
  return { message, code, proof: { shownAt, signature } };
}

function toBeProven(suite, code, shownAt) {
  const payload = join(Uint8Array.of(0x82), cbor.byteString(code), Uint8Array.from(cbor.head(0, shownAt)));
  return cose.toBeSigned(headers.get(suite), payload);
}

// The bytes of a code as the device of this P-256 key shows it at a time in seconds.
export async function present(code, privateKey, shownAt) {
  const proof = await sign(privateKey, toBeProven(ES256, code, shownAt));
  const { protectedBytes, payload, signature } = cose.open1(code, code.length);
  const parts = [proof, protectedBytes, payload, signature].map(cbor.byteString);
  return join(Uint8Array.of(ARRAY_OF_FIVE), Uint8Array.from(cbor.head(0, shownAt)), ...parts);
}

export function deviceKey(value) {
  const raw = cbor.requireBytes(value), suite = SUITES.get(raw.length);
  if (!suite) throw malformed("wrong_field");
  return { suite, raw };
}

// Throws unless a code bound to `key` (null: to none) is shown by its device at this time in seconds.
export async function checkProof(shown, key, at, policy) {
  if (!shown.proof) {
    if (!key) return;
    throw noProof("proof_missing");
  }
  if (!key) throw noProof("proof_unexpected");
  const { shownAt, signature } = shown.proof;
  try {
    await check(key.suite, key.raw, signature, toBeProven(key.suite, shown.code, shownAt));
  } catch (error) {
    throw error instanceof VerificationError && error.check === "signature" && error.state === "invalid" ? noProof("wrong_proof") : error;
  }
  if (at < shownAt - policy.proofSkew) throw outOfTime("proof_from_future", "possession");
  if (at >= shownAt + policy.proofWindow + policy.proofSkew) throw outOfTime("proof_expired", "possession");
}
