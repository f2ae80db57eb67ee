// Chain proofs: that a head stood in the heads contract, by the chain's own headers, seals and state, as
// verifier/chain_proof.py and verifier/state_proof.py have them.

import { equal, fromHex, toHex } from "./bytes.js";
import * as cbor from "./cbor.js";
import { contradicted, notHere, unanchored } from "./errors.js";
import { seconds } from "./multisigned.js";
import * as rlp from "./rlp.js";
import { ENGINES, HASH_BYTES, readHeader } from "./seals.js";

const MAX_PROOF_BYTES = 12288, MAX_HEADERS = 32, MAX_NODES = 64, SLOT_OF_HEADS = new Map([[1, 2]]), LOW = (1n << 64n) - 1n;
// Where an account's list of four has the root of its storage and the hash of its code; what stands before the list.
const ETHEREUM = { prefix: [], storageRoot: 2, codeHash: 3 }, KAIA = { prefix: [2], storageRoot: 1, codeHash: 2 };

const broken = () => contradicted("state_proof_broken");
const word = (number) => fromHex(number.toString(16).padStart(64, "0"));

// The nodes of one proof, of however many tries, each of them once; known by their hashes.
class Nodes {
  constructor(eth, nodes) {
    this.eth = eth;
    this.nodes = new Map(nodes.map((node) => [toHex(eth.keccak_256(node)), node]));
    this.unused = new Set(this.nodes.keys());
    if (this.nodes.size !== nodes.length) throw broken();
  }

  account(stateRoot, address, form) {
    const value = this.value(stateRoot, address);
    if (!form.prefix.every((byte, place) => value[place] === byte)) throw broken();
    const parts = rlp.decodeList(value.subarray(form.prefix.length), 4, 4);
    return [form.storageRoot, form.codeHash].map((place) => rlp.toBytes(parts[place], HASH_BYTES));
  }

  slot(storageRoot, slot) {
    return rlp.toUint(rlp.decode(this.value(storageRoot, word(slot))), 256);
  }

  checkAllUsed() {
    if (this.unused.size) throw broken();
  }

  value(root, key) {
    let node = this.open(root), path = toHex(this.eth.keccak_256(key));
    for (;;) {
      const [rest, target] = step(node, path);
      if (!rest && target instanceof Uint8Array) return target;
      // What is shorter than a hash stands in its parent itself.
      node = Array.isArray(target) ? target : this.open(target);
      path = rest;
    }
  }

  open(hash) {
    const name = toHex(hash), node = this.nodes.get(name);
    if (!node) throw broken();
    this.unused.delete(name);
    return rlp.decode(node);
  }
}

// One node further along a path of hex digits: what is left of it, and the next node; at a leaf nothing and its value.
function step(node, path) {
  if (Array.isArray(node) && node.length === 17 && path.length > 1) return [path.slice(1), node[parseInt(path[0], 16)]];
  if (Array.isArray(node) && node.length === 2) {
    const [digits, isLeaf] = unpack(rlp.toBytes(node[0]));
    if (digits && path.startsWith(digits) && isLeaf === (digits === path)) {
      return [path.slice(digits.length), isLeaf ? rlp.toBytes(node[1]) : node[1]];
    }
  }
  throw broken();
}

// The digits of a hex-prefix encoding, and whether they end in a value.
function unpack(packed) {
  const digits = toHex(packed), flag = parseInt(digits[0] ?? "f", 16), isOdd = flag & 1;
  if (flag > 3 || (!isOdd && digits[1] !== "0")) throw broken();
  return [digits.slice(isOdd ? 1 : 2), Boolean(flag & 2)];
}

// Throws unless the proof shows the anchor's head to whoever trusts this chain's validators.
export async function checkChainProof(bytes, chain, anchor) {
  const eth = await import("../../vendor/chain.js").catch(() => { throw notHere("parts_missing", "anchor"); });
  const [headers, beside, nodes] = partsOf(bytes), engine = ENGINES.get(chain.engine);
  if (!engine || !SLOT_OF_HEADS.has(chain.layout)) throw unanchored("engine_unknown");
  const linked = link(eth, engine, headers), [first] = linked;
  checkSealed(eth, engine, chain, linked, beside);
  const [meta, root] = headSlots(eth, chain, first, nodes), setIn = (meta >> 64n) & LOW;
  if (setIn > first.number) throw contradicted("proof_from_later");
  const { said } = anchor, isHead = meta >> 128n === BigInt(said.size) && equal(word(root), anchor.root);
  const isPlace = setIn === BigInt(said.block_number) && (meta & LOW) === BigInt(anchor.blockAt);
  const isBlock = first.number !== BigInt(said.block_number) || toHex(first.hash) === said.block_hash;
  if (!isHead || !isPlace || !isBlock) throw contradicted("proof_differs");
}

function partsOf(bytes) {
  const parts = cbor.requireList(cbor.decode(bytes, MAX_PROOF_BYTES), 3, 3), limits = [[MAX_HEADERS, 1], [1, 0], [MAX_NODES, 1]];
  return parts.map((part, place) => cbor.requireList(part, ...limits[place]).map((item) => cbor.requireBytes(item)));
}

function link(eth, engine, shown) {
  const headers = shown.map((one) => readHeader(eth, engine, one));
  for (let place = 1; place < headers.length; place++) {
    const before = headers[place - 1], after = headers[place];
    if (!equal(after.parent, before.hash) || after.number !== before.number + 1n) throw contradicted("headers_not_linked");
  }
  if (headers.length > 1 && !engine.oneEach) throw contradicted("too_many_headers");
  return headers;
}

function checkSealed(eth, engine, chain, headers, beside) {
  const found = new Set();
  let threshold = 0;
  for (const header of headers) {
    const known = chain.validators.findLast((one) => BigInt(one.from_block) <= header.number);
    if (!known) throw unanchored("validators_unknown");
    for (const address of engine.sealers(eth, header, beside)) {
      if (!known.addresses.includes(`0x${address}`)) throw unanchored("sealed_by_stranger");
      found.add(address);
    }
    threshold = Math.max(threshold, known.threshold);
  }
  if (found.size < threshold) throw unanchored("too_few_seals");
  if (chain.valid_to !== null && headers.at(-1).time >= BigInt(seconds(chain.valid_to))) throw unanchored("chain_closed");
}

function headSlots(eth, chain, header, shown) {
  const nodes = new Nodes(eth, shown), form = chain.engine === "kaia" ? KAIA : ETHEREUM;
  const [storageRoot, codeHash] = nodes.account(header.stateRoot, fromHex(chain.contract.slice(2).toLowerCase()), form);
  if (toHex(codeHash) !== chain.code_hash) throw contradicted("wrong_code");
  const place = BigInt(`0x${toHex(eth.keccak_256(fromHex(`${toHex(word(BigInt(SLOT_OF_HEADS.get(chain.layout))))}${chain.log_id}`)))}`);
  const slots = [place, (place + 1n) % (1n << 256n)].map((slot) => nodes.slot(storageRoot, slot));
  nodes.checkAllUsed();
  return slots;
}
