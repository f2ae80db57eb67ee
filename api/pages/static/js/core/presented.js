// Whatever is presented, a file's bytes or a scan's text: judged as verifier/verify.py does.

import { verify } from "./code.js";
import { examineCopy, isCopy } from "./copy.js";
import { examineEvidence, isBundle } from "./evidence.js";
import { examineExtract, isExtract } from "./extract.js";

const MAX_TEXT_BYTES = 8192;

// {verdict, face}: the face of a bundle, null of anything else. `file` is the PDF of a copy, where it is not inside.
export async function examineFile(bytes, trust, at, file = null) {
  if (isCopy(bytes)) return examineCopy(bytes, trust, at, file);
  if (isBundle(bytes)) return examineEvidence(bytes, trust, at);
  if (isExtract(bytes)) return { verdict: (await examineExtract(bytes, trust, at)).verdict, face: null };
  return { verdict: await verify(bytes.length <= MAX_TEXT_BYTES ? textOf(bytes) : "", trust, at), face: null };
}

function textOf(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return "";
  }
}
