// Key binding (RFC 9901 4.3): the holder's device presents an SD-JWT to one reader, now; as verifier/key_binding.py.

import { malformed, noProof, outOfTime, VerificationError } from "./errors.js";
import { hasOnly, isObject } from "./json.js";
import { checkJws, encode, keyOf, openJws } from "./jws.js";
import { canonicalise } from "./multisigned.js";
import { digestOf } from "./sd_jwt.js";
import { sign } from "./suites.js";

const TYPE = "kb+jwt", WINDOW = 300, SKEW = 60, YEAR_9999 = 253402300799;
const TO_UTF8 = new TextEncoder();

// The SD-JWT (without a binding, ending in ~) as the device of this P-256 key presents it at a time in seconds.
export async function bind(presented, privateKey, { audience, nonce }, at) {
  const claims = { iat: Math.floor(at), aud: audience, nonce, sd_hash: await digestOf(presented) };
  const signed = [{ alg: "ES256", typ: TYPE }, claims].map((part) => encode(TO_UTF8.encode(canonicalise(part)))).join(".");
  return `${presented}${signed}.${encode(await sign(privateKey, TO_UTF8.encode(signed)))}`;
}

// The holder's key in `cnf`, null where there is none.
export function holderKey({ cnf = null }) {
  if (cnf === null) return null;
  if (!isObject(cnf) || !hasOnly(cnf, ["jwk"])) throw malformed("wrong_field");
  return keyOf(cnf.jwk);
}

// challenge: {audience, nonce} or null.
export async function examineBinding(exam, opened, key, challenge) {
  if (opened.binding === null && !challenge) {
    if (key) exam.skip("possession", "key_binding_not_asked");
    return;
  }
  await exam.run("possession", () => checkBinding(opened, key, challenge, exam.at));
  if (!challenge && exam.results.get("possession").reason === "ok") exam.skip("possession", "challenge_unknown");
}

async function checkBinding(opened, key, challenge, at) {
  if (!key) throw noProof("proof_unexpected");
  if (opened.binding === null) throw noProof("key_binding_missing");
  const binding = openJws(opened.binding, TYPE), { claims } = binding;
  if (!hasOnly(claims, ["iat", "aud", "nonce", "sd_hash"]) || !Number.isInteger(claims.iat)) throw malformed("wrong_fields");
  try {
    await checkJws(binding, key);
  } catch (error) {
    throw error instanceof VerificationError && error.check === "signature" && error.state === "invalid" ? noProof("wrong_proof") : error;
  }
  if (claims.sd_hash !== opened.digest) throw noProof("wrong_sd_hash");
  if (challenge) checkAnswer(claims, challenge, at);
}

function checkAnswer(claims, { audience, nonce }, at) {
  if (claims.aud !== audience) throw noProof("wrong_audience");
  if (claims.nonce !== nonce) throw noProof("wrong_nonce");
  if (claims.iat < 0 || claims.iat > YEAR_9999) throw malformed("not_a_time");
  if (at < claims.iat - SKEW) throw outOfTime("proof_from_future", "possession");
  if (at >= claims.iat + WINDOW + SKEW) throw outOfTime("proof_expired", "possession");
}
