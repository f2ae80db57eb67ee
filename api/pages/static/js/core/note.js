// Signed notes, checkpoints and the cosignatures of witnesses (C2SP signed-note, tlog-checkpoint, tlog-cosignature), as
// verifier/note.py and verifier/cosignature.py have them. Times are seconds since 1970.

import { equal, fromBase64, fromHex, toBase64, toHex } from "./bytes.js";
import { UNDECIDED, VerificationError, malformed, unwitnessed, wrongSignature, wronglyWitnessed } from "./errors.js";
import { HASH_BYTES, sha256 } from "./merkle.js";
import { seconds } from "./multisigned.js";
import { ED25519, SIGNATURE_BYTES, check } from "./suites.js";

const MAX_CHARS = 64 * 1024, MAX_NAME_BYTES = 200, SKEW = 300, SECONDS_BYTES = 8;
const LOG = 1, WITNESS = 4, DASH = "— ";
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }), TO_UTF8 = new TextEncoder();

function base64(text, length) {
  let bytes;
  try {
    bytes = fromBase64(text);
  } catch {
    throw malformed("not_base64");
  }
  if ((length !== undefined && bytes.length !== length) || toBase64(bytes) !== text) throw malformed("not_base64");
  return bytes;
}

function headOf(text) {
  const lines = text.split("\n");
  if (lines.length !== 4 || lines[3] || !lines[0]) throw malformed("not_a_checkpoint");
  const size = Number(lines[1]);
  if (!/^(0|[1-9][0-9]{0,18})$/.test(lines[1]) || !Number.isSafeInteger(size)) throw malformed("not_a_checkpoint");
  return { origin: lines[0], size, root: base64(lines[2], HASH_BYTES) };
}

// The signed text with its last newline, and the signature lines without theirs; none may be anything else.
function split(note) {
  if (note.length > MAX_CHARS) throw malformed("too_long");
  const place = note.lastIndexOf("\n\n"), signatures = note.slice(place + 2);
  if (place < 0 || !signatures.endsWith("\n")) throw malformed("not_a_note");
  const lines = signatures.slice(0, -1).split("\n");
  lines.forEach(readLine);
  return [note.slice(0, place + 1), lines];
}

function readLine(line) {
  const rest = line.startsWith(DASH) ? line.slice(DASH.length) : line, place = rest.indexOf(" ");
  if (!line.startsWith(DASH) || place < 0) throw malformed("not_a_note");
  const name = rest.slice(0, place);
  if (!name || /[\p{C}\p{Z}+]/u.test(name) || TO_UTF8.encode(name).length > MAX_NAME_BYTES) throw malformed("wrong_name");
  const data = base64(rest.slice(place + 1));
  if (data.length < 5) throw malformed("not_a_note");
  return { name, hash: data.subarray(0, 4), signature: data.subarray(4) };
}

const keyHash = async (name, raw, kind) => (await sha256(TO_UTF8.encode(`${name}\n`), Uint8Array.of(kind), raw)).subarray(0, 4);

// The head of a note that one of the log's keys signed.
async function openSigned(note, origin, keys) {
  const [text, lines] = split(note), head = headOf(text);
  if (head.origin !== origin) throw wrongSignature("wrong_log");
  for (const { suite, raw } of keys) {
    const wanted = await keyHash(origin, raw, LOG);
    for (const line of lines.filter((one) => one.startsWith(`${DASH}${origin} `))) {
      const { hash, signature } = readLine(line);
      if (!equal(hash, wanted)) continue;
      await check(suite, raw, signature, TO_UTF8.encode(text));
      return { head, text, lines };
    }
  }
  throw wrongSignature("not_signed_by_log");
}

async function cosignedAt(text, raw, data) {
  if (data.length !== SECONDS_BYTES + SIGNATURE_BYTES) throw wronglyWitnessed("bad_cosignature");
  const at = Number(BigInt(`0x${toHex(data.subarray(0, SECONDS_BYTES))}`));
  try {
    await check(ED25519, raw, data.subarray(SECONDS_BYTES), TO_UTF8.encode(`cosignature/v1\ntime ${at}\n${text}`));
  } catch (error) {
    throw error instanceof VerificationError && error.state !== UNDECIDED ? wronglyWitnessed("bad_cosignature") : error;
  }
  return at;
}

async function cosignaturesOf(text, lines, witnesses) {
  const known = new Map();
  for (const one of witnesses) {
    const raw = fromHex(one.public), to = one.valid_to === null ? Infinity : seconds(one.valid_to);
    known.set(`${one.name} ${await keyHash(one.name, raw, WITNESS)}`, { name: one.name, raw, from: seconds(one.valid_from), to });
  }
  const found = [];
  for (const line of lines) {
    const { name, hash, signature } = readLine(line), witness = known.get(`${name} ${hash}`);
    if (witness) found.push({ witness, at: await cosignedAt(text, witness.raw, signature) });
  }
  return found;
}

// [[name, at]] of the trusted witnesses that cosigned exactly this head, newest first. Throws if they are too few.
export async function checkCosigned(note, head, trust, threshold, latestAt) {
  let text;
  try {
    text = UTF8.decode(note);
  } catch {
    throw malformed("not_a_note");
  }
  const opened = await openSigned(text, head.origin, trust.logKeys);
  const found = await cosignaturesOf(opened.text, opened.lines, trust.witnesses);
  if (opened.head.size !== head.size || !equal(opened.head.root, head.root)) throw wronglyWitnessed("cosigned_head_differs");
  const newest = new Map();
  for (const { witness, at } of found) {
    const counts = witness.from <= at && at <= latestAt + SKEW && at < witness.to;
    if (counts && at > (newest.get(witness.name) ?? -1)) newest.set(witness.name, at);
  }
  if (newest.size < threshold) throw unwitnessed("too_few_witnesses");
  return [...newest].sort(([, left], [, right]) => right - left);
}

// Since when heads can have been cosigned by so many witnesses; null where nothing is required.
export function dueFrom(witnesses, threshold) {
  const begun = new Map();
  for (const one of witnesses) begun.set(one.name, Math.min(seconds(one.valid_from), begun.get(one.name) ?? Infinity));
  return threshold > 0 && threshold <= begun.size ? [...begun.values()].sort((left, right) => left - right)[threshold - 1] : null;
}
