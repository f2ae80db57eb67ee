// CBOR (RFC 8949) in whatever encoding others chose, for codes of other systems. Our own formats: cbor.js.

import { join } from "./bytes.js";
import { malformed } from "./errors.js";

// A number written as floating point, and a tagged value: neither is the number or the value itself.
export class Float { constructor(number) { this.number = number; } }
export class Tagged { constructor(tag, value) { this.tag = tag; this.value = value; } }

const MAX_CONTAINERS = 399, BREAK = Symbol("break"), INDEFINITE = 31;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.place = 0;
  }

  take(count) {
    if (this.place + count > this.bytes.length) throw malformed("not_cbor");
    this.place += count;
    return this.bytes.subarray(this.place - count, this.place);
  }

  value(depth = 0) {
    const [first] = this.take(1), major = first >> 5, short = first & 31;
    if (major === 7) return this.simple(short);
    if (short > 27 && short !== INDEFINITE) throw malformed("not_cbor");
    if (major > 3 && depth >= MAX_CONTAINERS) throw malformed("not_cbor");
    const isOpen = short === INDEFINITE, argument = isOpen ? null : this.argument(short);
    if (isOpen && ![2, 3, 4, 5].includes(major)) throw malformed("not_cbor");
    if (major === 0) return argument;
    if (major === 1) return -1 - argument;
    if (major === 2) return isOpen ? join(...this.chunks(2)) : this.take(argument).slice();
    if (major === 3) return isOpen ? this.chunks(3).join("") : this.text(argument);
    if (major === 4) return this.items(argument, depth);
    if (major === 5) return this.entries(argument, depth);
    return new Tagged(argument, this.value(depth + 1));
  }

  argument(short) {
    if (short < 24) return short;
    let argument = 0;
    for (const byte of this.take(1 << (short - 24))) argument = argument * 256 + byte;
    return argument;
  }

  simple(short) {
    if (short === INDEFINITE) return BREAK;
    if (short >= 20 && short <= 23) return [false, true, null, undefined][short - 20];
    if (short === 25) return new Float(half(this.view(2).getUint16(0)));
    if (short === 26) return new Float(this.view(4).getFloat32(0));
    if (short === 27) return new Float(this.view(8).getFloat64(0));
    if (short > 24) throw malformed("not_cbor");
    return new Tagged("simple", short === 24 ? this.take(1)[0] : short);
  }

  view(count) {
    const part = this.take(count);
    return new DataView(part.buffer, part.byteOffset, count);
  }

  text(length) {
    try {
      return UTF8.decode(this.take(length));
    } catch (error) {
      throw error.reason ? error : malformed("not_cbor");
    }
  }

  // The parts of a string of no stated length, each a string of the same kind.
  chunks(major) {
    const parts = [];
    for (;;) {
      const [first] = this.take(1);
      if (first === 0xff) return parts;
      if (first >> 5 !== major || (first & 31) > 27) throw malformed("not_cbor");
      const length = this.argument(first & 31);
      parts.push(major === 2 ? this.take(length) : this.text(length));
    }
  }

  items(count, depth) {
    const items = [];
    for (let n = 0; count === null || n < count; n++) {
      const item = this.value(depth + 1);
      if (item === BREAK && count === null) return items;
      items.push(solid(item));
    }
    return items;
  }

  entries(count, depth) {
    const entries = new Map();
    for (let n = 0; count === null || n < count; n++) {
      const key = this.value(depth + 1);
      if (key === BREAK && count === null) return entries;
      entries.set(solid(key), solid(this.value(depth + 1)));
    }
    return entries;
  }
}

function solid(value) {
  if (value === BREAK) throw malformed("not_cbor");
  return value;
}

// A half-precision number (IEEE 754 binary16).
function half(bits) {
  const exponent = (bits >> 10) & 31, fraction = bits & 1023, sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}

// The value that is all of the bytes: null, undefined, booleans, numbers, Float, text, Uint8Array, Array, Map, Tagged.
export function decodeWhole(bytes) {
  const reader = new Reader(bytes), value = solid(reader.value());
  if (reader.place !== bytes.length) throw malformed("not_cbor");
  return value;
}
