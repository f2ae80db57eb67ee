// What codes of other systems need of their issuers' X.509 certificates (RFC 5280 4.1, DER): name by digest, period, key.

import { toHex } from "./bytes.js";
import { malformed, notHere } from "./errors.js";

const SEQUENCE = 0x30, VERSION = 0xa0, OID = 0x06, UTC_TIME = 0x17, GENERALIZED_TIME = 0x18;
const EXTENSIONS = 0xa3, OCTET_STRING = 0x04, EXTENDED_KEY_USAGE = "551d25";
const ELLIPTIC = "2a8648ce3d0201", RSA = "2a864886f70d010101";
const IMPORTS = new Map([[ELLIPTIC, { name: "ECDSA", namedCurve: "P-256" }], [RSA, { name: "RSA-PSS", hash: "SHA-256" }]]);

// {tag, body, whole, next}: the element at a place.
function element(bytes, place) {
  const tag = bytes[place];
  let length = bytes[place + 1], start = place + 2;
  if (length > 0x80) {
    const count = length & 0x7f;
    length = 0;
    for (const byte of bytes.subarray(start, start + count)) length = length * 256 + byte;
    start += count;
  }
  const next = start + length;
  if (!(next <= bytes.length)) throw malformed("not_a_certificate");
  return { tag, body: bytes.subarray(start, next), whole: bytes.subarray(place, next), next };
}

function children(bytes) {
  const found = [];
  for (let place = 0; place < bytes.length;) {
    found.push(element(bytes, place));
    place = found.at(-1).next;
  }
  return found;
}

function required(one, ...tags) {
  if (!one || !tags.includes(one.tag)) throw malformed("not_a_certificate");
  return one;
}

function moment(one) {
  const { tag, body } = required(one, UTC_TIME, GENERALIZED_TIME), text = String.fromCharCode(...body);
  const whole = tag === UTC_TIME ? (Number(text.slice(0, 2)) < 50 ? "20" : "19") + text : text;
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(whole);
  if (!parts) throw malformed("not_a_certificate");
  const [year, month, ...rest] = parts.slice(1).map(Number);
  return Date.UTC(year, month - 1, ...rest) / 1000;
}

// Object identifiers, in hex, of what the key may be used for (RFC 5280 4.2.1.12); none where nothing is said.
function usesOf(parts) {
  const holder = parts.find((one) => one.tag === EXTENSIONS);
  for (const extension of holder ? children(required(children(holder.body)[0], SEQUENCE).body) : []) {
    const [name, ...rest] = children(required(extension, SEQUENCE).body);
    if (toHex(required(name, OID).body) !== EXTENDED_KEY_USAGE) continue;
    const listed = required(element(required(rest.at(-1), OCTET_STRING).body, 0), SEQUENCE);
    return children(listed.body).map((one) => toHex(required(one, OID).body));
  }
  return [];
}

// {begins, ends (seconds, both inclusive), kind ("ECDSA" or "RSA-PSS"), key, uses}: the key to verify with.
export async function readCertificate(der) {
  const tbs = required(children(required(element(der, 0), SEQUENCE).body)[0], SEQUENCE), parts = children(tbs.body);
  if (parts[0]?.tag === VERSION) parts.shift();
  const [begins, ends] = children(required(parts[3], SEQUENCE).body).map(moment), spki = required(parts[5], SEQUENCE);
  const algorithm = required(children(required(children(spki.body)[0], SEQUENCE).body)[0], OID), form = IMPORTS.get(toHex(algorithm.body));
  if (!form) throw notHere("suite_unavailable");
  const key = await crypto.subtle.importKey("spki", spki.whole, form, false, ["verify"]).catch(() => { throw notHere("suite_unavailable"); });
  return { begins, ends, kind: form.name, key, uses: usesOf(parts) };
}
