// Face data, what the log holds instead of it, and its type's schema: verifier/commitment.py, digests.py, schema.py.

import { equal, fromHex, join, toHex } from "./bytes.js";
import { malformed, notHere, unlike } from "./errors.js";
import { sha256 } from "./merkle.js";
import { canonicalise } from "./multisigned.js";
import { guoMi } from "./suites.js";

export const MAX_FACE_BYTES = 256 * 1024;
const SALT_BYTES = 16, MAX_FIELDS = 128;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }), TO_UTF8 = new TextEncoder();
const SCHEME = TO_UTF8.encode("suizheng/fields/1"), FIELD = Uint8Array.of(2);

// The fields of face bytes; that these are canonical is for `checkSealed` to see.
export function parseFace(bytes) {
  let value;
  try {
    value = JSON.parse(UTF8.decode(bytes), wellFormed);
  } catch {
    throw malformed("not_json");
  }
  const isObject = value !== null && typeof value === "object" && !Array.isArray(value), count = isObject ? Object.keys(value).length : 0;
  if (count < 1 || count > MAX_FIELDS) throw malformed("not_an_object");
  return value;
}

function wellFormed(name, value) {
  if (!name.isWellFormed() || (typeof value === "string" && !value.isWellFormed())) throw new TypeError("lone surrogate");
  return value;
}

// Throws unless the face's bytes are what the digests of an entry were made of, with these salts.
export async function checkSealed(bytes, salts, face, digest) {
  const names = Object.keys(face).sort();
  if (salts.length !== SALT_BYTES * names.length) throw unlike("salts_do_not_fit");
  if (!equal(TO_UTF8.encode(canonicalise(face)), bytes)) throw malformed("not_canonical");
  const fields = await Promise.all(names.map((name, place) => {
    const key = TO_UTF8.encode(name), length = Uint8Array.of(key.length >> 8, key.length & 255);
    const salt = salts.subarray(SALT_BYTES * place, SALT_BYTES * (place + 1));
    return sha256(FIELD, salt, length, key, TO_UTF8.encode(canonicalise(face[name])));
  }));
  if (!equal(await sha256(SCHEME, ...fields), digest.sha256)) throw unlike("digest_differs");
  if (!equal(await sm3(join(SCHEME, salts, bytes), "commitment"), digest.sm3)) throw unlike("digest_differs");
}

async function sm3(bytes, check) {
  return fromHex((await guoMi("parts_missing", check)).sm3(bytes));
}

// Throws unless the contents are the declared files, in order.
export async function checkFiles(declared, contents) {
  if (!Array.isArray(declared) || declared.length !== contents.length) throw unlike("file_count", "files");
  for (const [place, content] of contents.entries()) {
    const said = declared[place], digests = [await sha256(content), await sm3(content, "files")];
    if (said?.sha256 !== toHex(digests[0]) || said?.sm3 !== toHex(digests[1])) throw unlike("file_differs", "files");
  }
}

// Throws unless the data fits the schema; undecided where the schema cannot be read here.
export async function checkSchema(schema, data) {
  let answer;
  try {
    const { Validator } = await import("../../vendor/schema.js");
    answer = new Validator(schema, "2020-12").validate(data);
  } catch {
    throw notHere("parts_missing", "schema");
  }
  if (!answer.valid) throw unlike("schema_mismatch", "schema");
}
