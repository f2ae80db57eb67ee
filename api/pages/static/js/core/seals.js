// Who sealed a block, by consensus engine, as verifier/seals.py has it. `eth` is the part in vendor/chain.js.

import { join, toHex } from "./bytes.js";
import { contradicted } from "./errors.js";
import * as rlp from "./rlp.js";

export const HASH_BYTES = 32;
const SEAL_BYTES = 65, VANITY_BYTES = 32, ADDRESS_BYTES = 20, COMMIT = Uint8Array.of(2), NOTHING = new Uint8Array();
const OPERATOR_CONTEXT = new TextEncoder().encode("suizheng/operator-seal/1\0");

// Where a header's list has what is read here, and how many fields it may have.
const ETHEREUM = { stateRoot: 3, number: 8, time: 11, extra: 12, least: 15, most: 21 };
const KAIA = { stateRoot: 2, number: 7, time: 9, extra: 11, least: 14, most: 20 };

const wrong = (part) => contradicted(`wrong_${part}`);
const none = (beside) => { if (beside.length) throw wrong("seal"); };

// The address, in hexadecimal, whose key made a seal over a digest.
function recover(eth, digest, seal) {
  if (seal.length !== SEAL_BYTES || seal[64] > 1) throw wrong("seal");
  try {
    const made = eth.secp256k1.Signature.fromCompact(seal.subarray(0, 64)).addRecoveryBit(seal[64]);
    return toHex(eth.keccak_256(made.recoverPublicKey(digest).toRawBytes(false).subarray(1)).subarray(-ADDRESS_BYTES));
  } catch {
    throw wrong("seal");
  }
}

const hashWith = (eth, fields, place, extra) => eth.keccak_256(rlp.encode(fields.with(place, extra)));
const plainHash = (eth, fields) => eth.keccak_256(rlp.encode(fields));

function byteStrings(item) {
  if (!Array.isArray(item)) throw wrong("seal");
  return item.map((part) => rlp.toBytes(part, SEAL_BYTES));
}

function cliqueSealers(eth, header, beside) {
  none(beside);
  if (header.extra.length < VANITY_BYTES + SEAL_BYTES) throw wrong("extra");
  const digest = hashWith(eth, header.fields, ETHEREUM.extra, header.extra.subarray(0, -SEAL_BYTES));
  return [recover(eth, digest, header.extra.subarray(-SEAL_BYTES))];
}

function operatorSealers(eth, header, beside) {
  const digest = eth.keccak_256(join(OPERATOR_CONTEXT, header.hash));
  return beside.map((seal) => recover(eth, digest, seal));
}

// Seals and round may differ from node to node for one and the same block.
function qbftHash(eth, fields, extra, place) {
  const [vanity, validators, vote] = rlp.decodeList(extra, 5, 5);
  return hashWith(eth, fields, place, rlp.encode([vanity, validators, vote, NOTHING, []]));
}

function qbftSealers(eth, header, beside) {
  none(beside);
  const parts = rlp.decodeList(header.extra, 5, 5), seals = parts.pop();
  const digest = hashWith(eth, header.fields, ETHEREUM.extra, rlp.encode([...parts, []]));
  return byteStrings(seals).map((seal) => recover(eth, digest, seal));
}

// On Kaia the last byte of the vanity is the round, which may differ too.
const istanbulHash = (isKaia) => (eth, fields, extra, place) => {
  const [validators, seal] = rlp.decodeList(extra.subarray(VANITY_BYTES), 3, 3), vanity = extra.slice(0, VANITY_BYTES);
  if (isKaia) vanity[VANITY_BYTES - 1] = 0;
  return hashWith(eth, fields, place, join(vanity, rlp.encode([validators, seal, []])));
};

function istanbulSealers(eth, header, beside) {
  none(beside);
  const [, , seals] = rlp.decodeList(header.extra.subarray(VANITY_BYTES), 3, 3), digest = eth.keccak_256(join(header.hash, COMMIT));
  return byteStrings(seals).map((seal) => recover(eth, digest, seal));
}

// oneEach: a block has one seal. openByte: a byte of the extra data that neither hash nor seal covers.
export const ENGINES = new Map(Object.entries({
  clique: { places: ETHEREUM, hash: plainHash, sealers: cliqueSealers, oneEach: true },
  qbft: { places: ETHEREUM, hash: qbftHash, sealers: qbftSealers },
  istanbul: { places: ETHEREUM, hash: istanbulHash(false), sealers: istanbulSealers },
  kaia: { places: KAIA, hash: istanbulHash(true), sealers: istanbulSealers, openByte: VANITY_BYTES - 1 },
  operator: { places: ETHEREUM, hash: plainHash, sealers: operatorSealers },
}));

// {fields, hash, parent, stateRoot, number, time, extra}; number and time as BigInt.
export function readHeader(eth, engine, data) {
  const { places, hash, openByte } = engine, fields = rlp.decodeList(data, places.least, places.most);
  const extra = rlp.toBytes(fields[places.extra]);
  const header = {
    fields, extra, hash: hash(eth, fields, extra, places.extra), parent: rlp.toBytes(fields[0], HASH_BYTES),
    stateRoot: rlp.toBytes(fields[places.stateRoot], HASH_BYTES), number: rlp.toUint(fields[places.number]),
    time: rlp.toUint(fields[places.time]),
  };
  if (openByte !== undefined && extra[openByte] !== 0) throw wrong("extra");
  return header;
}
