// Derived copies (加注件): parse and judge, in the steps and with the reasons of verifier/derived_copy.py.

import { fromHex } from "./bytes.js";
import * as cose from "./cose.js";
import { CERTIFICATE, COPY, departmentKey, issuerKey, openEntry } from "./entry.js";
import { malformed, outOfTime, unlike } from "./errors.js";
import { COPY_FORMAT, EVIDENCE_POLICY, examineLog, examineStatus, isBundle, openBundle, witnessed } from "./evidence.js";
import { checkFiles, checkSealed, parseFace } from "./face.js";
import { seconds } from "./multisigned.js";
import { Examination } from "./verdict.js";

export const COPY_POLICY = { ...EVIDENCE_POLICY, required: [...EVIDENCE_POLICY.required.filter((check) => check !== "schema"), "files"] };

export const isCopy = (bytes) => isBundle(bytes) && new TextDecoder("latin1").decode(bytes.subarray(0, 32)).includes(COPY_FORMAT);

// {verdict, face} on a copy by its bundle: about the PDF inside it, or about `file`. Never throws for any bytes.
export async function examineCopy(bytes, trust, at, file = null, policy = COPY_POLICY) {
  const exam = new Examination(at), asked = witnessed(policy, trust);
  await exam.run("freshness", () => trust.checkFresh(at, policy.maxTrustAge), trust.issuedAt);
  const opened = await exam.run("format", () => open(bytes));
  if (!opened) return { verdict: exam.conclude(asked), face: null };
  const { bundle, message, entry, face, original } = opened;
  const keys = await exam.run("issuer", () =>
    [departmentKey(trust, message, entry), issuerKey(trust, original.message, original.entry)], trust.issuedAt);
  await exam.run("commitment", () => checkCommitment(bundle, entry, face));
  await exam.run("files", () => checkFiles(face.files, file ? [file] : bundle.files));
  // A copy made before copies had places of their own ends with its original only.
  const own = entry.facts.has("status_list") ? [entry.facts] : [];
  await examineStatus(exam, trust, original.entry.facts, ...own);
  await exam.run("validity", () => checkEnd(face, at));
  if (keys) {
    await exam.run("signature", async () => {
      await cose.check(message, keys[0]);
      await cose.check(original.message, keys[1]);
    });
  }
  return { verdict: exam.conclude(await examineLog(exam, asked, bundle, trust), face), face };
}

function open(bytes) {
  const bundle = openBundle(bytes), { message, entry } = openEntry(bundle.signedEntry);
  if (bundle.format !== COPY_FORMAT || entry.kind !== COPY) throw malformed("not_a_copy");
  const face = parseFace(bundle.face);
  let signed;
  try {
    signed = fromHex(face.original_entry);
  } catch {
    throw malformed("wrong_field");
  }
  const original = openEntry(signed);
  if (original.entry.kind !== CERTIFICATE) throw malformed("not_a_certificate");
  return { bundle, message, entry, face, original };
}

async function checkCommitment({ face: bytes, salts }, entry, face) {
  await checkSealed(bytes, salts, face, entry.digest);
  if (face.made_by !== entry.department) throw unlike("issuer_differs");
}

function checkEnd(face, at) {
  if (at < seconds(face.made_at)) throw outOfTime("not_yet_valid");
  if (at >= seconds(face.expires_at)) throw outOfTime("expired");
}
