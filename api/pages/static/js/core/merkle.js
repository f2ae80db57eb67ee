// The Merkle tree of the evidence log (RFC 9162 2.1), as verifier/merkle.py has it. Sizes are numbers to 2^53 - 1.

import { equal, join } from "./bytes.js";
import { notIncluded } from "./errors.js";

export const HASH_BYTES = 32;
const LEAF = Uint8Array.of(0), NODE = Uint8Array.of(1);
const half = (number) => Math.floor(number / 2), isOdd = (number) => number % 2 === 1;

export const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", join(...parts)));
export const leafHash = (entry) => sha256(LEAF, entry);
const nodeHash = (left, right) => sha256(NODE, left, right);

// The root that a path leads to (2.1.3.2); throws if its length does not fit.
export async function rootFromPath(leaf, index, size, path) {
  let node = leaf, last = size - 1;
  for (const sibling of path) {
    if (last === 0) throw notIncluded("path_too_long");
    if (isOdd(index) || index === last) {
      node = await nodeHash(sibling, node);
      for (; !isOdd(index) && index; index = half(index)) last = half(last);
    } else node = await nodeHash(node, sibling);
    index = half(index);
    last = half(last);
  }
  if (last) throw notIncluded("path_too_short");
  return node;
}

// Throws unless the new tree only appended to the old one (2.1.4.2).
export async function checkConsistency(old, size, oldRoot, newRoot, path) {
  if (old <= 0 || old > size) throw notIncluded("sizes_out_of_order");
  if (old === size) {
    if (path.length || !equal(oldRoot, newRoot)) throw notIncluded("wrong_root");
    return;
  }
  // A complete old tree is itself the first node of the proof.
  const hashes = Number.isInteger(Math.log2(old)) ? [oldRoot, ...path] : path;
  if (!hashes.length) throw notIncluded("path_too_short");
  const [fromOld, fromNew] = await rootsFromPath(old, size, hashes);
  if (!equal(fromOld, oldRoot) || !equal(fromNew, newRoot)) throw notIncluded("not_append_only");
}

async function rootsFromPath(old, size, [first, ...path]) {
  let index = old - 1, last = size - 1, fromOld = first, fromNew = first;
  for (; isOdd(index); index = half(index)) last = half(last);
  for (const sibling of path) {
    if (last === 0) throw notIncluded("path_too_long");
    if (isOdd(index) || index === last) {
      [fromOld, fromNew] = [await nodeHash(sibling, fromOld), await nodeHash(sibling, fromNew)];
      for (; !isOdd(index) && index; index = half(index)) last = half(last);
    } else fromNew = await nodeHash(fromNew, sibling);
    index = half(index);
    last = half(last);
  }
  if (last) throw notIncluded("path_too_short");
  return [fromOld, fromNew];
}
