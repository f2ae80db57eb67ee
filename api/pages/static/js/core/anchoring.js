// Whether a receipt's head is anchored: verifier/anchor.py, verifier/anchoring.py.

import * as cbor from "./cbor.js";
import { toHex } from "./bytes.js";
import { checkChainProof } from "./chain.js";
import { contradicted, malformed, unanchored } from "./errors.js";
import { HASH_BYTES, checkConsistency } from "./merkle.js";
import { canonicalise, toText } from "./multisigned.js";

const MAX_PROOF_BYTES = 12288, MAX_PATH = 64;

// The anchor as trust bundles write it, and its root's bytes.
export function anchorOf(value) {
  const [chain, contract, log, size, root, number, block, at, transaction] = cbor.requireList(value, 9, 9);
  if (!/^0x[0-9a-fA-F]{40}$/.test(cbor.requireText(contract, 42))) throw malformed("wrong_field");
  for (const hash of [log, root, block, transaction]) cbor.requireBytes(hash, HASH_BYTES);
  for (const count of [chain, size, number, at]) cbor.requireUint(count);
  const said = {
    chain_id: chain, contract, log_id: toHex(log), size, root: toHex(root), block_number: number, block_hash: toHex(block),
    block_at: toText(at), transaction_hash: toHex(transaction),
  };
  return { said, text: canonicalise(said), root, blockAt: at };
}

// {chainProof, path} beside an anchor.
export function proofOf(value) {
  const [chainProof, path] = cbor.requireList(value, 2, 2);
  for (const hash of cbor.requireList(path, MAX_PATH)) cbor.requireBytes(hash, HASH_BYTES);
  if (cbor.requireBytes(chainProof).length + HASH_BYTES * path.length > MAX_PROOF_BYTES) throw malformed("too_long");
  return { chainProof, path };
}

// Throws unless the head (size, root) of a receipt is anchored: because the trust bundle lists it, or because the chain
// itself says so (the steps of verifier/anchoring.py).
export async function checkAnchor(trust, anchor, proof, { size, root }) {
  if (!proof) {
    trust.checkAnchored(size, toHex(root));
    if (!trust.heads.has(anchor.text)) throw contradicted("anchor_differs");
    return;
  }
  trust.checkNotContradicted(size, toHex(root));
  const isListed = trust.checkAsListed(anchor), chain = trust.findChain(anchor.said);
  await checkConsistency(size, anchor.said.size, root, anchor.root, proof.path);
  // Only a chain that is not known at all is left to the list: on a known one, no proof is passed over.
  if (!chain && !isListed) throw unanchored("chain_unknown");
  if (chain) await checkChainProof(proof.chainProof, chain, anchor);
}
