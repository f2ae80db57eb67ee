// Deterministic CBOR (RFC 8949 4.2), the part that our formats use: integers to 2^53, byte strings, text, arrays, maps,
// null. One byte string per value: any other encoding of it is refused.

import { malformed } from "./errors.js";

const MAX_DEPTH = 8;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }), TO_UTF8 = new TextEncoder();

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.place = 0;
    // Another encoding of something was seen: said only if the whole can be read at all, as the verifier does.
    this.isLoose = false;
  }

  take(count) {
    if (this.place + count > this.bytes.length) throw malformed("not_cbor");
    const part = this.bytes.subarray(this.place, this.place + count);
    this.place += count;
    return part;
  }

  // [major type, argument].
  head() {
    const [first] = this.take(1), major = first >> 5, short = first & 31;
    if (short < 24) return [major, short];
    if (short > 27) throw malformed(short === 31 ? "not_canonical" : "not_cbor");
    let argument = 0;
    for (const byte of this.take(1 << (short - 24))) argument = argument * 256 + byte;
    if (argument < [24, 0x100, 0x10000, 0x100000000][short - 24]) this.isLoose = true;
    if (argument > Number.MAX_SAFE_INTEGER) throw malformed("wrong_field");
    return [major, argument];
  }

  value(depth) {
    if (depth > MAX_DEPTH) throw malformed("not_cbor");
    const start = this.place, [major, argument] = this.head();
    if (major === 0) return argument;
    if (major === 1) return -1 - argument;
    if (major === 2) return this.take(argument).slice();
    if (major === 3) return this.text(argument);
    if (major === 4) return this.array(argument, depth);
    if (major === 5) return this.map(argument, depth);
    if (this.bytes[start] === 0xf6) return null;
    throw malformed("wrong_field");
  }

  text(length) {
    try {
      return UTF8.decode(this.take(length));
    } catch (error) {
      throw error.reason ? error : malformed("not_cbor");
    }
  }

  array(count, depth) {
    if (count > this.bytes.length - this.place) throw malformed("not_cbor");
    const items = [];
    for (let n = 0; n < count; n++) items.push(this.value(depth + 1));
    return items;
  }

  map(count, depth) {
    if (count > this.bytes.length - this.place) throw malformed("not_cbor");
    const entries = new Map();
    let last = null;
    for (let n = 0; n < count; n++) {
      const start = this.place, key = this.value(depth + 1), encoded = this.bytes.subarray(start, this.place);
      if (last !== null && compare(last, encoded) >= 0) this.isLoose = true;
      last = encoded;
      entries.set(key, this.value(depth + 1));
    }
    return entries;
  }
}

function compare(left, right) {
  const length = Math.min(left.length, right.length);
  for (let place = 0; place < length; place++) if (left[place] !== right[place]) return left[place] - right[place];
  return left.length - right.length;
}

export function decode(bytes, limit) {
  if (bytes.length > limit) throw malformed("too_long");
  const reader = new Reader(bytes), value = reader.value(0);
  if (reader.isLoose || reader.place !== bytes.length) throw malformed("not_canonical");
  return value;
}

export function head(major, argument) {
  if (argument < 24) return [(major << 5) | argument];
  const size = argument < 0x100 ? 1 : argument < 0x10000 ? 2 : argument < 0x100000000 ? 4 : 8;
  const out = [(major << 5) | (24 + Math.log2(size))];
  for (let place = size - 1; place >= 0; place--) out.push(Math.floor(argument / 256 ** place) % 256);
  return out;
}

function write(value, out) {
  if (value === null) out.push(0xf6);
  else if (typeof value === "number") push(out, value < 0 ? head(1, -1 - value) : head(0, value));
  else if (typeof value === "string") {
    const bytes = TO_UTF8.encode(value);
    push(out, head(3, bytes.length), bytes);
  } else if (value instanceof Uint8Array) push(out, head(2, value.length), value);
  else if (Array.isArray(value)) {
    push(out, head(4, value.length));
    for (const item of value) write(item, out);
  } else writeMap(value, out);
}

function writeMap(map, out) {
  const entries = Array.from(map, ([key, value]) => [encode(key), value]).sort(([left], [right]) => compare(left, right));
  push(out, head(5, entries.length));
  for (const [key, value] of entries) {
    push(out, key);
    write(value, out);
  }
}

function push(out, ...parts) {
  for (const part of parts) for (const byte of part) out.push(byte);
}

// The bytes of null, a number, text, Uint8Array, Array or Map.
export function encode(value) {
  const out = [];
  write(value, out);
  return Uint8Array.from(out);
}

export function byteString(bytes) {
  const begin = head(2, bytes.length), out = new Uint8Array(begin.length + bytes.length);
  out.set(begin);
  out.set(bytes, begin.length);
  return out;
}

export function requireMap(value, keys) {
  if (!(value instanceof Map) || value.size !== keys.length || !keys.every((key) => value.has(key))) throw malformed("wrong_fields");
  return value;
}

export function requireBytes(value, length) {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length)) throw malformed("wrong_field");
  return value;
}

export function requireText(value, limit) {
  if (typeof value !== "string" || !value || Array.from(value).length > limit) throw malformed("wrong_field");
  return value;
}

export function requireUint(value) {
  if (!Number.isSafeInteger(value) || value < 0) throw malformed("wrong_field");
  return value;
}

export function requireList(value, most, least = 0) {
  if (!Array.isArray(value) || value.length < least || value.length > most) throw malformed("wrong_field");
  return value;
}
