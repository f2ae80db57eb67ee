// JSON Web Signatures in compact serialisation, in the one strict form of verifier/jws.py.

import { equal, fromHex, join } from "./bytes.js";
import { malformed, wrongKind } from "./errors.js";
import { hasOnly, parseObject } from "./json.js";
import { ED25519, ES256, SIGNATURE_BYTES, check, foldHigh, unfold } from "./suites.js";

const SUITES = new Map([["Ed25519", ED25519], ["EdDSA", ED25519], ["ES256", ES256]]);
const TO_UTF8 = new TextEncoder();

export function encode(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export function decode(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.endsWith("\n") || text.length % 4 === 1) throw malformed("not_base64url");
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (sign) => sign.charCodeAt(0));
  if (encode(bytes) !== text) throw malformed("not_canonical");
  return bytes;
}

// {header, claims, signed, signature} of a signature of this type; nothing is verified yet.
export function openJws(text, typ) {
  const parts = text.split(".");
  if (parts.length !== 3) throw malformed("not_a_jws");
  const header = parseObject(decode(parts[0]));
  if (typeof header.alg !== "string" || !SUITES.has(header.alg)) throw malformed("unknown_suite");
  if ("crit" in header || "b64" in header) throw malformed("unknown_extension");
  if (header.typ !== typ) throw wrongKind("wrong_type");
  const signature = decode(parts[2]);
  if (signature.length !== SIGNATURE_BYTES) throw malformed("wrong_length");
  return { header, claims: parseObject(decode(parts[1])), signed: TO_UTF8.encode(`${parts[0]}.${parts[1]}`), signature };
}

export function kidIn({ header }) {
  try {
    return fromHex(header.kid);
  } catch {
    throw malformed("wrong_field");
  }
}

export async function checkJws({ header, signed, signature }, key) {
  if (SUITES.get(header.alg) !== key.suite) throw malformed("wrong_suite");
  await check(key.suite, key.raw, key.suite === ES256 ? foldHigh(signature) : signature, signed);
}

// {suite, raw} of a JWK of exactly the members of verifier/jws.py.
export function keyOf(jwk) {
  if (hasOnly(jwk, ["kty", "crv", "x"]) && jwk.kty === "OKP" && jwk.crv === "Ed25519") return { suite: ED25519, raw: coordinate(jwk.x) };
  if (!hasOnly(jwk, ["kty", "crv", "x", "y"]) || jwk.kty !== "EC" || jwk.crv !== "P-256") throw malformed("wrong_field");
  const [x, y] = [jwk.x, jwk.y].map(coordinate), raw = join(Uint8Array.of(2 + (y[31] & 1)), x);
  if (!equal(unfold(raw).subarray(33), y)) throw malformed("not_a_key");
  return { suite: ES256, raw };
}

function coordinate(text) {
  const bytes = typeof text === "string" ? decode(text) : new Uint8Array();
  if (bytes.length !== 32) throw malformed("not_a_key");
  return bytes;
}
