// COSE receipts of inclusion (RFC 9942), as verifier/receipt.py has them.

import * as cbor from "./cbor.js";
import * as cose from "./cose.js";
import { malformed, wrongSignature } from "./errors.js";
import { HASH_BYTES, rootFromPath } from "./merkle.js";

export const MAX_RECEIPT_BYTES = 4096;
const CWT_CLAIMS = 15, ISSUER = 1, VDS = 395, VDP = 396, RFC9162_SHA256 = 1, INCLUSION = -1, MAX_PATH = 64;
const HEADER = [cose.ALG, cose.KID, CWT_CLAIMS, VDS];

// {size, index, root} of a receipt for a leaf hash, signed by a key that `keyOf` finds by its id. Says nothing of anchors.
export async function checkReceipt(bytes, leaf, origin, keyOf) {
  const message = cose.open1(bytes, MAX_RECEIPT_BYTES), header = cbor.requireMap(message.header, HEADER);
  const claims = header.get(CWT_CLAIMS), isOfOrigin = claims instanceof Map && claims.size === 1 && claims.get(ISSUER) === origin;
  if (header.get(VDS) !== RFC9162_SHA256 || !isOfOrigin) throw wrongSignature("wrong_log");
  if (message.payload !== null) throw malformed("wrong_fields");
  const [size, index, path] = cbor.requireList(cbor.decode(proofIn(message.unprotected), MAX_RECEIPT_BYTES), 3, 3);
  if (cbor.requireUint(index) >= cbor.requireUint(size)) throw malformed("index_out_of_range");
  for (const hash of cbor.requireList(path, MAX_PATH)) {
    if (!(hash instanceof Uint8Array) || hash.length !== HASH_BYTES) throw malformed("not_canonical");
  }
  const root = await rootFromPath(leaf, index, size, path);
  await cose.check({ ...message, payload: root }, keyOf(cose.kidOf(message)));
  return { size, index, root };
}

function proofIn(unprotected) {
  const proofs = cbor.requireMap(cbor.requireMap(unprotected, [VDP]).get(VDP), [INCLUSION]).get(INCLUSION);
  return cbor.requireBytes(cbor.requireList(proofs, 1, 1)[0]);
}
