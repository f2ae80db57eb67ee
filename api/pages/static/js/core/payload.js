// The text of a code, "SZ1:" and Base45 (RFC 9285), as codes/payload.py has it: each byte string has one text.

import { malformed } from "./errors.js";

export const PREFIX = "SZ1:";
const MAX_TEXT_CHARS = 1134, MAX_SCANNED_CHARS = 2 * MAX_TEXT_CHARS;
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const VALUES = new Int8Array(128).fill(-1);
for (let value = 0; value < 45; value++) VALUES[ALPHABET.charCodeAt(value)] = value;
// What a Chinese input method types for `$`, `.` and `/`; none of these signs can occur in a code.
const TYPED_AS = { "¥": "$", "￥": "$", "。": ".", "、": "/" };

export function encode(bytes) {
  let text = PREFIX;
  for (let place = 0; place + 1 < bytes.length; place += 2) {
    const value = bytes[place] * 256 + bytes[place + 1];
    text += ALPHABET[value % 45] + ALPHABET[Math.floor(value / 45) % 45] + ALPHABET[Math.floor(value / 2025)];
  }
  if (bytes.length % 2) {
    const value = bytes[bytes.length - 1];
    text += ALPHABET[value % 45] + ALPHABET[Math.floor(value / 45)];
  }
  return text;
}

// Throws a VerificationError for anything but the one text of some bytes.
export function decode(text) {
  if (!isCode(text)) throw malformed("not_ours");
  if (text.length > MAX_TEXT_CHARS) throw malformed("not_a_code");
  return decodeBase45(text.slice(PREFIX.length));
}

// The bytes of Base45, whoever wrote it; the caller bounds the length.
export function decodeBase45(text) {
  if (!text.length || text.length % 3 === 1) throw malformed("not_a_code");
  const bytes = new Uint8Array(Math.floor(text.length / 3) * 2 + (text.length % 3 ? 1 : 0));
  const value = (place) => {
    const code = text.charCodeAt(place), found = code < 128 ? VALUES[code] : -1;
    if (found < 0) throw malformed("not_a_code");
    return found;
  };
  let at = 0, place = 0;
  for (; place + 2 < text.length; place += 3) {
    const group = value(place) + 45 * value(place + 1) + 2025 * value(place + 2);
    if (group > 0xffff) throw malformed("not_a_code");
    bytes[at++] = group >> 8;
    bytes[at++] = group & 255;
  }
  if (place < text.length) {
    const group = value(place) + 45 * value(place + 1);
    if (group > 0xff) throw malformed("not_a_code");
    bytes[at] = group;
  }
  return bytes;
}

export const isCode = (text) => text.startsWith(PREFIX);

// What was printed, from what a keyboard-wedge scanner typed through an input method. Inner spaces stay.
export function normaliseScanned(text) {
  if (text.length > MAX_SCANNED_CHARS) return text;
  const plain = text.normalize("NFKC").replace(/[\r\n]/g, "").trim();
  if (plain.slice(0, PREFIX.length).toUpperCase() !== PREFIX) return plain;
  const typed = Array.from(plain, (sign) => TYPED_AS[sign] ?? sign).join("");
  return /^[\x00-\x7f]*$/.test(typed) ? typed.toUpperCase() : typed;
}
