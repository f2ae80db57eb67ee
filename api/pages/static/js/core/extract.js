// Extracts (摘录件): parse and judge, in the steps and with the reasons of verifier/extract_verdict.py.

import { equal } from "./bytes.js";
import { examineBinding, holderKey } from "./binding.js";
import * as cose from "./cose.js";
import { CERTIFICATE, issuerKey, numberIn, openEntry } from "./entry.js";
import { malformed, outOfScope, outOfTime, unlike, VerificationError } from "./errors.js";
import { EVIDENCE_POLICY, checkValidity, examineLog, examineStatus, openBundle, witnessed } from "./evidence.js";
import { checkSealed, parseFace } from "./face.js";
import { examineFreshness } from "./freshness.js";
import { hasOnly, isObject } from "./json.js";
import { checkJws, decode, kidIn } from "./jws.js";
import { canonicalise } from "./multisigned.js";
import { WITHHELD, isSdJwt, openSdJwt, withoutGaps } from "./sd_jwt.js";
import { Examination } from "./verdict.js";

export const EXTRACT_POLICY = { required: ["format", "signature", "issuer", "status", "validity", "freshness"], maxTrustAge: 7 * 86400 };
export const OPEN_FIELDS = ["certificate_name", "issuing_authority_name", "issue_date", "valid_from", "valid_to"];
const TYPE = "dc+sd-jwt", PURPOSE = "extract", LONGEST_TEXT = 200, YEAR_9999 = 253402300799;
const PLAIN_TEXTS = ["iss", "aud", "jti", "vct", "purpose", "case_no"];
const CLAIMS = [...PLAIN_TEXTS, "iat", "exp", "status", "matter", "evidence", "certificate"];

export { isSdJwt as isExtract };

// {verdict, claims, type: {code, version}}: believe the claims only if the verdict is valid. Never throws for any bytes.
// receiver: the reader's code; challenge: {audience, nonce}; evidence: the bytes of the certificate's evidence bundle.
export async function examineExtract(bytes, trust, at, { receiver = null, challenge = null, evidence = null } = {}) {
  const exam = new Examination(at);
  let policy = EXTRACT_POLICY;
  await examineFreshness(exam, trust, policy.maxTrustAge);
  const opened = await exam.run("format", () => open(bytes, trust.content.log.origin));
  if (!opened) return { verdict: exam.conclude(policy), claims: null, type: null };
  const { claims, original, sdJwt } = opened;
  const keys = await exam.run("issuer", () => keysOf(opened, trust), trust.issuedAt);
  policy = await examineReceiver(exam, policy, claims, receiver);
  await examineStatus(exam, trust, original.entry.facts);
  await exam.run("validity", () => checkPeriod(claims, at));
  await examineBinding(exam, sdJwt, opened.holder, challenge);
  if (challenge) policy = requiring(policy, ["possession"]);
  if (keys) {
    await exam.run("signature", async () => {
      await checkJws(sdJwt.jwt, keys.signer);
      await cose.check(original.message, keys.issuer);
    });
  }
  policy = await examineEvidence(exam, policy, opened, trust, evidence);
  const { facts } = original.entry, type = { code: facts.get("type"), version: numberIn(facts, "type_version") };
  return { verdict: exam.conclude(policy, claims), claims, type };
}

async function open(bytes, origin) {
  const sdJwt = await openSdJwt(bytes, TYPE), claims = withoutGaps(sdJwt.claims);
  const names = "cnf" in claims ? [...CLAIMS, "cnf"] : CLAIMS;
  if (!hasOnly(claims, names) || sdJwt.disclosed.some((path) => path[0] !== "certificate")) throw malformed("wrong_fields");
  checkTexts(claims);
  if (!hasOnly(claims.evidence, ["entry"]) || typeof claims.evidence.entry !== "string") throw malformed("wrong_field");
  const signedEntry = decode(claims.evidence.entry), original = openEntry(signedEntry), { entry } = original;
  if (entry.kind !== CERTIFICATE || entry.department !== claims.iss) throw malformed("not_a_certificate");
  const list = { idx: numberIn(entry.facts, "status_index"), uri: `${origin}/status/${numberIn(entry.facts, "status_list")}` };
  const isSame = canonicalise(claims.status) === canonicalise({ status_list: list });
  if (claims.vct !== `${origin}/types/${entry.facts.get("type")}` || !isSame) throw malformed("wrong_field");
  for (const at of [claims.iat, claims.exp]) if (at < 0 || at > YEAR_9999) throw malformed("not_a_time");
  return { sdJwt, claims, signedEntry, original, holder: holderKey(claims) };
}

function checkTexts(claims) {
  const { matter, certificate } = claims;
  if (!hasOnly(matter, ["code", "name"])) throw malformed("wrong_field");
  const texts = [...PLAIN_TEXTS.map((name) => claims[name]), matter.code, matter.name];
  const isPlain = (text) => typeof text === "string" && text.length > 0 && [...text].length <= LONGEST_TEXT;
  if (!texts.every(isPlain) || ![claims.iat, claims.exp].every(Number.isInteger)) throw malformed("wrong_field");
  if (!isObject(certificate) || !OPEN_FIELDS.every((name) => name in certificate)) throw malformed("wrong_field");
}

function keysOf({ claims, sdJwt, original }, trust) {
  const signer = trust.key(kidIn(sdJwt.jwt), PURPOSE, claims.iat);
  if (signer.owner !== claims.iss) throw outOfScope("key_of_another");
  trust.checkScope(signer.owner, original.entry.facts.get("type"), claims.iat);
  return { signer, issuer: issuerKey(trust, original.message, original.entry) };
}

async function examineReceiver(exam, policy, claims, receiver) {
  if (receiver === null) {
    exam.skip("receiver", "receiver_not_asked");
    return policy;
  }
  await exam.run("receiver", () => {
    if (claims.aud !== receiver) throw new VerificationError("invalid", "receiver", "wrong_receiver");
  });
  return requiring(policy, ["receiver"]);
}

function checkPeriod(claims, at) {
  if (at < claims.iat) throw outOfTime("not_yet_valid");
  if (at >= claims.exp) throw outOfTime("expired");
  checkValidity(claims.certificate, at);
}

async function examineEvidence(exam, policy, opened, trust, evidence) {
  if (evidence === null) {
    exam.skip("commitment", "evidence_not_at_hand");
    return policy;
  }
  const left = witnessed(requiring(policy, EVIDENCE_POLICY.required.filter((check) => check !== "schema")), trust);
  const bundle = await exam.run("commitment", () => committed(opened, evidence));
  return bundle ? examineLog(exam, left, bundle, trust) : left;
}

async function committed({ signedEntry, original, sdJwt }, evidence) {
  const bundle = openBundle(evidence);
  if (!equal(bundle.signedEntry, signedEntry)) throw unlike("other_entry");
  const face = parseFace(bundle.face);
  await checkSealed(bundle.face, bundle.salts, face, original.entry.digest);
  if (!isPart(sdJwt.claims.certificate, face)) throw unlike("field_differs");
  return bundle;
}

// Whether everything told is so in the whole; places in arrays stay, since withheld elements leave gaps.
function isPart(told, whole) {
  if (told === WITHHELD) return true;
  if (Array.isArray(told)) return Array.isArray(whole) && told.length === whole.length && told.every((one, place) => isPart(one, whole[place]));
  if (!isObject(told)) return told === whole;
  return isObject(whole) && Object.entries(told).every(([name, one]) => Object.hasOwn(whole, name) && isPart(one, whole[name]));
}

const requiring = (policy, checks) => ({ ...policy, required: [...new Set([...policy.required, ...checks])] });
