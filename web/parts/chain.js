// The hash and the curve of Ethereum.
export { keccak_256 } from "@noble/hashes/sha3";
export { secp256k1 } from "@noble/curves/secp256k1";
