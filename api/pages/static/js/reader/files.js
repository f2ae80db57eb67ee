// Files that people choose or drop: evidence bundles, the PDF of a copy, extracts, pictures and texts of codes.

import { UNDECIDED } from "../core/errors.js";
import { MAX_BUNDLE_BYTES, isBundle, openBundle } from "../core/evidence.js";
import { isExtract } from "../core/extract.js";
import { examineFile } from "../core/presented.js";
import { doubt } from "./judging.js";

const MAX_TEXT_BYTES = 8192;
const startsWith = (bytes, text) => text.length <= bytes.length && [...text].every((sign, place) => bytes[place] === sign.charCodeAt(0));

// {bundle, pdf, extract, picture, text, problem}: what is among the files. `problem` names what cannot be used, by its text.
export async function sortFiles(files) {
  const found = {};
  for (const file of files) {
    if (file.size > MAX_BUNDLE_BYTES) found.problem = "tooLarge";
    else if (file.type.startsWith("image/")) found.picture = file;
    else {
      const bytes = new Uint8Array(await file.arrayBuffer());
      if (isBundle(bytes)) found.bundle = bytes;
      else if (startsWith(bytes, "%PDF-")) found.pdf = bytes;
      else if (isExtract(bytes)) found.extract = bytes;
      else if (bytes.length <= MAX_TEXT_BYTES) found.text = new TextDecoder().decode(bytes);
      else found.problem = "unknownFile";
    }
  }
  if (found.pdf && !found.bundle) found.problem = "pdfAlone";
  return found;
}

// The verdict on a bundle, with the PDF beside it where it is a copy's. `copyId`: of the code on paper that it belongs to.
export async function judgeBundle({ bundle, pdf = null }, copyId, trust, at) {
  const doubted = doubt(trust, at);
  if (doubted) return { state: UNDECIDED, reason: doubted, claims: null, face: null };
  const { verdict, face } = await examineFile(bundle, trust, at, pdf), isCopy = Boolean(face?.copy_id);
  if (isCopy && copyId && face.copy_id !== copyId) return { state: "invalid", reason: "copy_of_another", claims: null, face: null };
  return { ...verdict, claims: null, face, isCopy, compared: Boolean(isCopy && pdf), file: isCopy && !pdf ? openBundle(bundle).files[0] : null };
}

// Lets a whole page take files that are dropped or pasted.
export function watchFiles(page, take) {
  page.addEventListener("dragover", (event) => {
    event.preventDefault();
    page.dataset.over = "yes";
  });
  page.addEventListener("dragleave", (event) => { if (!event.relatedTarget) delete page.dataset.over; });
  page.addEventListener("drop", (event) => {
    event.preventDefault();
    delete page.dataset.over;
    if (event.dataTransfer.files.length) take([...event.dataTransfer.files]);
  });
  page.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    take(files);
  });
}
