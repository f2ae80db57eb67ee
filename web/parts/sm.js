// SM3 (GB/T 32905) and the check of SM2 signatures (GB/T 32918.2). Callers check the range of r and s.
import { sm2, sm3 as toHex } from "sm-crypto-v2";

export const sm3 = (bytes) => toHex(bytes);
// Hexadecimal r || s and uncompressed point; Z with the identity of GM/T 0009.
export const verifySm2 = (message, signature, point) => sm2.doVerifySignature(message, signature, point, { hash: true });
