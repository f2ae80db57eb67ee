// SD-JWT (RFC 9901) in compact serialisation: every disclosure in its place, as verifier/sd_jwt.py puts it.

import { malformed } from "./errors.js";
import { MAX_DEPTH, isObject, parseJson } from "./json.js";
import { decode, encode, openJws } from "./jws.js";
import { sha256 } from "./merkle.js";

const DIGESTS = "_sd", ELEMENT = "...", ALGORITHM = "_sd_alg", SHA_256 = "sha-256", DIGEST_BYTES = 32;
const MAX_BYTES = 512 * 1024, MAX_DISCLOSURES = 256;
const SPACE = /^[\t-\r\x1c-\x20]+|[\t-\r\x1c-\x20]+$/g, BEGINNING = /^[\t-\r ]*eyJ/;
const TO_UTF8 = new TextEncoder(), SEPARATOR = "~".charCodeAt(0);
// Stands in an array for an element whose disclosure is not there.
export const WITHHELD = Symbol("withheld");

export const isSdJwt = (bytes) => bytes.includes(SEPARATOR) && BEGINNING.test(String.fromCharCode(...bytes.subarray(0, 64)));

export const digestOf = async (text) => encode(await sha256(TO_UTF8.encode(text)));

// {jwt, claims, disclosed, digest, binding}; nothing is verified yet. `disclosed`: the path of each disclosure.
export async function openSdJwt(bytes, typ) {
  if (bytes.length > MAX_BYTES) throw malformed("too_long");
  if (bytes.some((byte) => byte > 127)) throw malformed("not_an_sd_jwt");
  const text = new TextDecoder().decode(bytes).replace(SPACE, "");
  if (!text.includes("~")) throw malformed("not_an_sd_jwt");
  const [first, ...rest] = text.split("~"), binding = rest.pop();
  if (rest.length > MAX_DISCLOSURES) throw malformed("too_long");
  const jwt = openJws(first, typ), digests = await Promise.all(rest.map(digestOf)), reader = new Reader(rest, digests);
  const claims = reader.read(jwt.claims), presented = text.slice(0, text.length - binding.length);
  return { jwt, claims, disclosed: reader.disclosed(), presented, digest: await digestOf(presented), binding: binding || null };
}

// Claims as RFC 9901 7.1 gives them to an application.
export function withoutGaps(value) {
  if (Array.isArray(value)) return value.filter((one) => one !== WITHHELD).map(withoutGaps);
  if (!isObject(value)) return value;
  const whole = Object.create(null);
  for (const [name, one] of Object.entries(value)) whole[name] = withoutGaps(one);
  return whole;
}

class Reader {
  constructor(texts, digests) {
    this.order = digests;
    this.given = new Map(digests.map((digest, place) => [digest, parseDisclosure(texts[place])]));
    if (this.given.size !== texts.length) throw malformed("repeated_disclosure");
    this.seen = new Set();
    this.places = new Map();
  }

  read(claims) {
    if ((ALGORITHM in claims ? claims[ALGORITHM] : SHA_256) !== SHA_256) throw malformed("unknown_digest");
    const { [ALGORITHM]: _, ...rest } = claims, whole = this.object(Object.assign(Object.create(null), rest), []);
    if (this.places.size !== this.given.size) throw malformed("unknown_disclosure");
    return whole;
  }

  disclosed() {
    return this.order.map((digest) => this.places.get(digest));
  }

  value(value, path) {
    if (path.length > MAX_DEPTH) throw malformed("too_deep");
    if (Array.isArray(value)) return this.array(value, path);
    return isObject(value) ? this.object(value, path) : value;
  }

  object(members, path) {
    if (ELEMENT in members || ALGORITHM in members) throw malformed("misplaced_name");
    const told = Object.create(null);
    for (const [name, one] of Object.entries(members)) if (name !== DIGESTS) told[name] = this.value(one, [...path, name]);
    for (const digest of digestsIn(DIGESTS in members ? members[DIGESTS] : [])) {
      const found = this.take(digest);
      if (!found) continue;
      if (found.name === null) throw malformed("misplaced_disclosure");
      if (found.name in told) throw malformed("claim_clash");
      const place = [...path, found.name];
      this.places.set(digest, place);
      told[found.name] = this.value(found.value, place);
    }
    return told;
  }

  array(elements, path) {
    return elements.map((element, index) => {
      const place = [...path, index];
      if (!isObject(element) || !(ELEMENT in element)) return this.value(element, place);
      if (Object.keys(element).length !== 1) throw malformed("misplaced_name");
      const [digest] = digestsIn([element[ELEMENT]]), found = this.take(digest);
      if (!found) return WITHHELD;
      if (found.name !== null) throw malformed("misplaced_disclosure");
      this.places.set(digest, place);
      return this.value(found.value, place);
    });
  }

  take(digest) {
    if (this.seen.has(digest)) throw malformed("repeated_digest");
    this.seen.add(digest);
    return this.given.get(digest);
  }
}

function digestsIn(value) {
  const isDigest = (one) => typeof one === "string" && decode(one).length === DIGEST_BYTES;
  if (!Array.isArray(value) || !value.every(isDigest)) throw malformed("wrong_field");
  return value;
}

// {name: null for an element of an array, value}
function parseDisclosure(text) {
  const parts = parseJson(decode(text));
  if (!Array.isArray(parts) || ![2, 3].includes(parts.length) || typeof parts[0] !== "string") throw malformed("wrong_disclosure");
  if (parts.length === 2) return { name: null, value: parts[1] };
  if (typeof parts[1] !== "string" || [DIGESTS, ELEMENT, ALGORITHM].includes(parts[1])) throw malformed("wrong_disclosure");
  return { name: parts[1], value: parts[2] };
}
