// Evidence bundles of certificates: parse and judge, in the steps and with the reasons of verifier/evidence.py.

import { equal, toHex } from "./bytes.js";
import * as cbor from "./cbor.js";
import * as cose from "./cose.js";
import { anchorOf, checkAnchor, proofOf } from "./anchoring.js";
import { CERTIFICATE, issuerKey, numberIn, openEntry } from "./entry.js";
import { malformed, outOfForce, outOfTime, unlike, unwitnessed } from "./errors.js";
import { MAX_FACE_BYTES, checkFiles, checkSchema, checkSealed, parseFace } from "./face.js";
import { examineFreshness } from "./freshness.js";
import { leafHash } from "./merkle.js";
import { checkCosigned, dueFrom } from "./note.js";
import { MAX_RECEIPT_BYTES, checkReceipt } from "./receipt.js";
import { Examination } from "./verdict.js";

export const MAGIC = Uint8Array.of(0xd9, 0xd9, 0xf7), MAX_BUNDLE_BYTES = 64 * 1024 * 1024;
export const FORMAT = "suizheng-evidence/1", COPY_FORMAT = "suizheng-copy/1";
export const EVIDENCE_POLICY = {
  required: ["format", "signature", "issuer", "schema", "commitment", "inclusion", "anchor", "witnesses", "status", "validity", "freshness"],
  maxTrustAge: 7 * 86400,
};
const MAX_FILES = 16, KEYS = [1, 2, 3, 4, 5, 6, 7], PROOF = 8, COSIGNED = 9, LONG_TERM = "长期", SHANGHAI = 8 * 3600000;

export const isBundle = (bytes) => equal(bytes.subarray(0, MAGIC.length), MAGIC);

// The parts, not yet believed.
export function openBundle(bytes) {
  if (!isBundle(bytes)) throw malformed("not_evidence");
  if (bytes.length > MAX_BUNDLE_BYTES) throw malformed("too_long");
  const value = cbor.decode(bytes.subarray(MAGIC.length), MAX_BUNDLE_BYTES), has = (key) => value instanceof Map && value.has(key);
  cbor.requireMap(value, [...KEYS, ...[PROOF, COSIGNED].filter(has)]);
  if (![FORMAT, COPY_FORMAT].includes(value.get(1))) throw malformed("unknown_version");
  const anchor = anchorOf(value.get(6)), [face, salts, signedEntry, receipt] = [2, 3, 4, 5].map((key) => cbor.requireBytes(value.get(key)));
  const bundle = {
    format: value.get(1), face, salts, signedEntry, receipt, anchor,
    files: cbor.requireList(value.get(7), MAX_FILES).map((file) => cbor.requireBytes(file)),
    proof: has(PROOF) ? proofOf(value.get(PROOF)) : null,
    cosigned: has(COSIGNED) ? cbor.requireBytes(value.get(COSIGNED)) : null,
  };
  if (face.length > MAX_FACE_BYTES || receipt.length > MAX_RECEIPT_BYTES) throw malformed("too_long");
  return bundle;
}

// {verdict, face}: believe the face only if the verdict is valid. Never throws for any bytes.
export async function examineEvidence(bytes, trust, at, policy = EVIDENCE_POLICY) {
  const exam = new Examination(at);
  await examineFreshness(exam, trust, policy.maxTrustAge);
  const opened = await exam.run("format", () => open(bytes));
  if (!opened) return { verdict: exam.conclude(witnessed(policy, trust)), face: null };
  const { bundle, message, entry, face } = opened, { facts } = entry;
  const key = await exam.run("issuer", () => issuerKey(trust, message, entry), trust.issuedAt);
  await exam.run("commitment", () => checkCommitment(bundle, entry, face));
  const schema = () => trust.schema(facts.get("type"), numberIn(facts, "type_version"));
  await exam.run("schema", () => checkSchema(schema(), face.extend_info ?? {}));
  await examineFiles(exam, bundle, face);
  await examineStatus(exam, trust, facts);
  await exam.run("validity", () => checkValidity(face, at));
  if (key) await exam.run("signature", () => cose.check(message, key));
  const left = await examineLog(exam, witnessed(policy, trust), bundle, trust);
  return { verdict: exam.conclude(left, face), face };
}

function open(bytes) {
  const bundle = openBundle(bytes), { message, entry } = openEntry(bundle.signedEntry);
  if (entry.kind !== CERTIFICATE || bundle.format !== FORMAT) throw malformed("not_a_certificate");
  return { bundle, message, entry, face: parseFace(bundle.face) };
}

async function checkCommitment({ face: bytes, salts }, entry, face) {
  await checkSealed(bytes, salts, face, entry.digest);
  if (face.certificate_type_code !== entry.facts.get("type")) throw unlike("type_differs");
  if (face.issuing_authority_code !== entry.department) throw unlike("issuer_differs");
}

async function examineFiles(exam, bundle, face) {
  const declared = face.files ?? [];
  if (!declared.length && !bundle.files.length) return;
  if (!bundle.files.length) exam.skip("files", "files_not_attached");
  else await exam.run("files", () => checkFiles(declared, bundle.files));
}

// What the status lists say of the places that these entries name.
export async function examineStatus(exam, trust, ...entries) {
  const check = () => {
    for (const facts of entries) {
      const state = trust.status(numberIn(facts, "status_list"), numberIn(facts, "status_index"));
      if (state !== "valid") throw outOfForce(`status_${state}`);
    }
  };
  await exam.run("status", check, trust.issuedAt);
}

export function checkValidity(face, at) {
  const today = new Date(at * 1000 + SHANGHAI).toISOString().slice(0, 10).replaceAll("-", "");
  if (today < day(face.valid_from)) throw outOfTime("not_yet_valid");
  if (face.valid_to !== LONG_TERM && today > day(face.valid_to)) throw outOfTime("expired");
}

// The text of a day that exists, yyyymmdd.
function day(text) {
  if (typeof text !== "string" || !/^[0-9]{8}$/.test(text) || text < "0001") throw malformed("not_a_date");
  const spelt = `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}`, found = new Date(`${spelt}T00:00:00Z`);
  if (Number.isNaN(found.getTime()) || found.toISOString().slice(0, 10) !== spelt) throw malformed("not_a_date");
  return text;
}

const without = (policy) => ({ ...policy, required: policy.required.filter((check) => check !== "witnesses") });
export const witnessed = (policy, trust) => (trust.witnessThreshold === 0 ? without(policy) : policy);

// Inclusion in the log, its head's anchor, its witnesses; resolves to the policy that is left.
export async function examineLog(exam, policy, bundle, trust) {
  const { origin } = trust.content.log;
  const facts = await exam.run("inclusion", async () =>
    checkReceipt(bundle.receipt, await leafHash(bundle.signedEntry), origin, (kid) => trust.logKey(kid)));
  if (!facts) return policy;
  const anchored = await exam.run("anchor", async () => {
    await checkAnchor(trust, bundle.anchor, bundle.proof, facts);
    return true;
  }, bundle.anchor.blockAt);
  return examineWitnesses(exam, policy, trust, { origin, ...facts }, bundle.cosigned, anchored ? bundle.anchor.blockAt : null);
}

async function examineWitnesses(exam, policy, trust, head, note, provenAt) {
  const begun = dueFrom(trust.witnesses, trust.witnessThreshold);
  const anchoredAt = [...trust.anchoredAt(head.size, toHex(head.root)), ...(provenAt === null ? [] : [provenAt])];
  const predates = begun !== null && anchoredAt.some((at) => at < begun), required = predates ? 0 : trust.witnessThreshold;
  if (note) await examineNote(exam, trust, head, note, required);
  else if (required) await exam.run("witnesses", () => { throw unwitnessed("not_cosigned"); });
  else if (predates) exam.skip("witnesses", "before_witnesses");
  return predates ? without(policy) : policy;
}

async function examineNote(exam, trust, head, note, required) {
  const latestAt = Math.max(exam.at, trust.issuedAt);
  const found = await exam.run("witnesses", () => checkCosigned(note, head, trust, required, latestAt));
  if (found && !found.length) exam.skip("witnesses", "no_trusted_witness");
}
