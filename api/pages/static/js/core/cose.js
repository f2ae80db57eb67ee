// COSE_Sign1 (RFC 9052 4.2) in the one strict form of verifier/cose.py.

import { join } from "./bytes.js";
import * as cbor from "./cbor.js";
import { malformed, wrongKind } from "./errors.js";
import { ES256, KID_BYTES, SIGNATURE_BYTES, check as checkSignature, compressed, kidOf as kidOfKey, sign } from "./suites.js";

export const ALG = 1, KID = 4, TYP = 16;
export const POSSESSION = 65006, DELEGATION = 65007, DELEGATED_CODE = 65008, STATUS_DELTA = 65011;

const TAG = 0xd2, MAX_HEADER_BYTES = 512;
const CONTEXT = Uint8Array.of(0x84, 0x6a, ...new TextEncoder().encode("Signature1"));
const NOTHING = new Uint8Array();
const headers = new Map();

export function toBeSigned(protectedBytes, payload, external = NOTHING) {
  return join(CONTEXT, ...[protectedBytes, external, payload].map(cbor.byteString));
}

// A tagged message over the payload, by a phone's keys of P-256.
export async function sign1(payload, keys, typ) {
  const header = protectedOf(ES256, await kidOfKey(ES256, await compressed(keys.publicKey)), typ);
  return assemble(header, payload, await sign(keys.privateKey, toBeSigned(header, payload)));
}

function assemble(protectedBytes, payload, signature) {
  return join(
    Uint8Array.of(TAG, 0x84), cbor.byteString(protectedBytes), Uint8Array.of(0xa0), cbor.byteString(payload),
    cbor.byteString(signature),
  );
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
  return { message, bytes: assemble(protectedBytes, payload, signature) };
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

