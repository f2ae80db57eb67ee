// COSE_Sign1 (RFC 9052 4.2) in the one strict form of verifier/cose.py.

import { join } from "./bytes.js";
import * as cbor from "./cbor.js";
import { malformed, wrongKind } from "./errors.js";
import { KID_BYTES, SIGNATURE_BYTES, check as checkSignature } from "./suites.js";

export const ALG = 1, KID = 4, TYP = 16;
export const POSSESSION = 65006, STATUS_DELTA = 65011;

const TAG = 0xd2, MAX_HEADER_BYTES = 512;
const CONTEXT = Uint8Array.of(0x84, 0x6a, ...new TextEncoder().encode("Signature1"));
const NOTHING = Uint8Array.of(0x40);
const headers = new Map();

export function toBeSigned(protectedBytes, payload) {
  return join(CONTEXT, cbor.byteString(protectedBytes), NOTHING, cbor.byteString(payload));
}

// {protectedBytes, header, payload, signature} of a tagged message; nothing is verified yet.
export function open1(bytes, limit) {
  if (bytes.length > limit) throw malformed("too_long");
  if (bytes[0] !== TAG) throw malformed("not_signed");
  const parts = cbor.requireList(cbor.decode(bytes.subarray(1), limit), 4, 4);
  cbor.requireBytes(parts[0]);
  const payload = parts[2] === null ? null : cbor.requireBytes(parts[2]);
  cbor.requireBytes(parts[3], SIGNATURE_BYTES);
  if (!(parts[1] instanceof Map)) throw malformed("wrong_field");
  return { protectedBytes: parts[0], header: headerOf(parts[0]), unprotected: parts[1], payload, signature: parts[3] };
}

// The message of three parts with nothing unprotected, and its bytes.
export function fromParts(protectedBytes, payload, signature) {
  cbor.requireBytes(protectedBytes);
  cbor.requireBytes(payload);
  cbor.requireBytes(signature, SIGNATURE_BYTES);
  const message = { protectedBytes, header: headerOf(protectedBytes), unprotected: new Map(), payload, signature };
  const bytes = join(
    Uint8Array.of(TAG, 0x84), cbor.byteString(protectedBytes), Uint8Array.of(0xa0), cbor.byteString(payload),
    cbor.byteString(signature),
  );
  return { message, bytes };
}

export function requireTyped(message, typ) {
  const header = message.header;
  if (header.size !== 3 || ![ALG, KID, TYP].every((name) => header.has(name))) throw malformed("wrong_fields");
  if (header.get(TYP) !== typ) throw wrongKind("wrong_type");
  if (message.unprotected.size || message.payload === null) throw malformed("wrong_fields");
  return message.payload;
}

export function kidOf(message) {
  return cbor.requireBytes(message.header.get(KID), KID_BYTES);
}

export async function check(message, key) {
  if (message.header.get(ALG) !== key.suite) throw malformed("wrong_suite");
  await checkSignature(key.suite, key.raw, message.signature, toBeSigned(message.protectedBytes, message.payload));
}

export function protectedOf(suite, kid, typ) {
  return cbor.encode(new Map(kid ? [[ALG, suite], [KID, kid], [TYP, typ]] : [[ALG, suite], [TYP, typ]]));
}

function headerOf(bytes) {
  const name = String(bytes), known = headers.get(name);
  if (known) return known;
  const header = cbor.decode(bytes, MAX_HEADER_BYTES);
  if (!(header instanceof Map)) throw malformed("wrong_field");
  if (headers.size >= 1024) headers.clear();
  headers.set(name, header);
  return header;
}

