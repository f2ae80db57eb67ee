// JSON (RFC 8259) read so that two readers agree: no name twice, no lone surrogates, no number that JSON cannot hold
// exactly, at most 16 levels (verifier/jws.py). Objects have no prototype: any name is a name.

import { malformed } from "./errors.js";

export const MAX_DEPTH = 16;
const DEEPEST = 900;
const TOKEN = /[ \t\n\r]*(?:([{}[\],:])|("(?:[^"\\\x00-\x1f]|\\.)*")|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)|(true|false|null))/y;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function parseJson(bytes) {
  let text;
  try {
    text = UTF8.decode(bytes);
  } catch {
    throw malformed("not_json");
  }
  const value = new Reader(text).whole();
  checkDepth(value, MAX_DEPTH);
  return value;
}

export function parseObject(bytes) {
  const value = parseJson(bytes);
  if (!isObject(value)) throw malformed("not_an_object");
  return value;
}

export const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

export function hasOnly(value, names) {
  return isObject(value) && Object.keys(value).length === names.length && names.every((name) => Object.hasOwn(value, name));
}

class Reader {
  constructor(text) {
    Object.assign(this, { text, place: 0, token: null });
    this.next();
  }

  whole() {
    const value = this.value(0);
    if (this.token !== null) throw malformed("not_json");
    return value;
  }

  // Goes on to the next token; null at the end.
  next() {
    TOKEN.lastIndex = this.place;
    const found = TOKEN.exec(this.text);
    if (!found && /[^ \t\n\r]/.test(this.text.slice(this.place))) throw malformed("not_json");
    this.token = found && { sign: found[1], text: found[2], number: found[3], word: found[4] };
    if (found) this.place = TOKEN.lastIndex;
  }

  take(sign) {
    if (this.token?.sign !== sign) return false;
    this.next();
    return true;
  }

  need(sign) {
    if (!this.take(sign)) throw malformed("not_json");
  }

  value(depth) {
    if (depth > DEEPEST) throw malformed("too_deep");
    if (this.take("{")) return this.members(depth);
    if (this.take("[")) return this.elements(depth);
    const leaf = leafOf(this.token);
    this.next();
    return leaf;
  }

  members(depth) {
    const members = Object.create(null);
    if (this.take("}")) return members;
    let isRepeated = false;
    do {
      if (this.token?.text === undefined) throw malformed("not_json");
      const name = leafOf(this.token);
      this.next();
      this.need(":");
      isRepeated ||= name in members;
      members[name] = this.value(depth + 1);
    } while (this.take(","));
    this.need("}");
    if (isRepeated) throw malformed("repeated_name");
    return members;
  }

  elements(depth) {
    const elements = [];
    if (this.take("]")) return elements;
    do elements.push(this.value(depth + 1)); while (this.take(","));
    this.need("]");
    return elements;
  }
}

function leafOf(token) {
  if (token?.text !== undefined) return textOf(token.text);
  if (token?.number !== undefined) return numberOf(token.number);
  if (token?.word !== undefined) return JSON.parse(token.word);
  throw malformed("not_json");
}

function textOf(token) {
  let text;
  try {
    text = JSON.parse(token);
  } catch {
    throw malformed("not_json");
  }
  if (!text.isWellFormed()) throw malformed("not_json");
  return text;
}

function numberOf(token) {
  const number = Number(token), isWhole = !/[.eE]/.test(token);
  if (!Number.isFinite(number) || (isWhole && !Number.isSafeInteger(number))) throw malformed("not_json");
  return number;
}

function checkDepth(value, left) {
  if (left === 0) throw malformed("too_deep");
  if (value !== null && typeof value === "object") for (const one of Object.values(value)) checkDepth(one, left - 1);
}
