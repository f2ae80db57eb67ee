// RLP (Ethereum yellow paper, appendix B): byte strings and lists, one encoding each, as verifier/rlp.py has it.

import { join } from "./bytes.js";
import { contradicted } from "./errors.js";

const MAX_DEPTH = 6, LONG = 55;
const wrong = () => contradicted("not_rlp");

export function decode(data) {
  const [item, end] = read(data, 0, data.length, MAX_DEPTH);
  if (end !== data.length) throw wrong();
  return item;
}

export function decodeList(data, least, most) {
  const item = decode(data);
  if (!Array.isArray(item) || item.length < least || item.length > most) throw wrong();
  return item;
}

export function encode(item) {
  if (!Array.isArray(item)) return item.length === 1 && item[0] < 0x80 ? item : join(head(0x80, item.length), item);
  const body = join(...item.map(encode));
  return join(head(0xc0, body.length), body);
}

// The item as a byte string, of exactly this length if given.
export function toBytes(item, length) {
  if (!(item instanceof Uint8Array) || (length !== undefined && item.length !== length)) throw wrong();
  return item;
}

// The item as a BigInt below 2^bits, without leading zeros.
export function toUint(item, bits = 64) {
  const bytes = toBytes(item);
  if (bytes.length * 8 > bits || bytes[0] === 0) throw wrong();
  return bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
}

function head(base, length) {
  if (length <= LONG) return Uint8Array.of(base + length);
  const size = [];
  for (let rest = length; rest; rest = Math.floor(rest / 256)) size.unshift(rest % 256);
  return Uint8Array.of(base + LONG + size.length, ...size);
}

// The item that begins at `at`, within `end`, and where it ends.
function read(data, at, end, depth) {
  if (at >= end || depth === 0) throw wrong();
  const first = data[at];
  if (first < 0x80) return [data.subarray(at, at + 1), at + 1];
  const isList = first >= 0xc0, [start, length] = lengthOf(data, at, first - (isList ? 0xc0 : 0x80)), stop = start + length;
  if (stop > end) throw wrong();
  if (!isList) {
    if (length === 1 && data[start] < 0x80) throw wrong();
    return [data.subarray(start, stop), stop];
  }
  const items = [];
  for (let place = start; place < stop; ) {
    const [item, next] = read(data, place, stop, depth - 1);
    items.push(item);
    place = next;
  }
  return [items, stop];
}

// Where the content begins and how long it is.
function lengthOf(data, at, code) {
  if (code <= LONG) return [at + 1, code];
  const width = code - LONG, start = at + 1 + width, size = data.subarray(at + 1, start);
  const length = size.reduce((sum, byte) => sum * 256 + byte, 0);
  if (size.length !== width || size[0] === 0 || length <= LONG) throw wrong();
  return [start, length];
}
