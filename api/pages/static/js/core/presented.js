// Whatever is presented, a file's bytes or a scan's text: judged as verifier/verify.py does.

import { KINDS, POLICY, examine } from "./code.js";
import { examineCopy, isCopy } from "./copy.js";
import { examineDelegated, isDelegated } from "./delegated.js";
import { malformed } from "./errors.js";
import { examineEvidence, isBundle } from "./evidence.js";
import { examineExtract, isExtract } from "./extract.js";
import { examineForeign, isForeign } from "./foreign.js";
import * as payload from "./payload.js";
import { Examination } from "./verdict.js";

const MAX_TEXT_BYTES = 8192;

// {verdict, face}: the face of a bundle, null of anything else. `file` is the PDF of a copy, where it is not inside.
export async function examineFile(bytes, trust, at, file = null) {
  if (isCopy(bytes)) return examineCopy(bytes, trust, at, file);
  if (isBundle(bytes)) return examineEvidence(bytes, trust, at);
  if (isExtract(bytes)) return { verdict: (await examineExtract(bytes, trust, at)).verdict, face: null };
  return { verdict: await verify(bytes.length <= MAX_TEXT_BYTES ? textOf(bytes) : "", trust, at), face: null };
}

// {verdict, claims} on whatever a scan holds; claims: null where there are none.
export async function examineText(typed, trust, at) {
  const text = payload.normaliseScanned(typed);
  if (isDelegated(text)) return examineDelegated(text, trust, at);
  if (payload.isCode(text)) return examine(text, trust, at, [...KINDS.values()], POLICY);
  if (isForeign(text)) return examineForeign(text, trust, at, POLICY.maxTrustAge);
  const exam = new Examination(at);
  await exam.run("format", () => { throw malformed("not_ours"); });
  return { verdict: exam.conclude(POLICY), claims: null };
}

export const verify = async (typed, trust, at) => (await examineText(typed, trust, at)).verdict;

function textOf(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return "";
  }
}
