// What the phone asks of the registry: requests signed by its key (verifier/device_request.py).

import { toBase64 } from "../core/bytes.js";
import * as cbor from "../core/cbor.js";
import * as cose from "../core/cose.js";
import { compressed } from "../core/suites.js";
import { language } from "../language.js";

const TYPE = "application/vnd.suizheng.device-request";
const ACTION = 1, MADE_AT = 2, ARGUMENTS = 3;

// A fresh key of P-256, which every browser has; its private half can never leave the browser.
export function makeKey() {
  return crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
}

export const publicKeyOf = (keys) => compressed(keys.publicKey);

function signed(keys, action, args, at) {
  return cose.sign1(cbor.encode(new Map([[ACTION, action], [MADE_AT, at], [ARGUMENTS, args]])), keys, TYPE);
}

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? "");
    this.status = status;
    this.reason = problem.reason ?? "";
  }
}

// How a page says what the registry refused, or that there is no network: asked again in another language.
export const wordsOf = (error, texts) => () => (error instanceof Refused ? saidBy(error, texts) : texts.noNetwork);

function saidBy({ reason, message, status }, { refusals, refusedOtherwise }) {
  return refusals[reason] ?? (language() === "zh" && message ? message : refusedOtherwise.replace("{status}", status));
}

// {body, skew}: the answer, and by how many seconds the server's clock is ahead of ours. Throws Refused, or TypeError
// where there is no network.
async function ask(path, keys, action, args, skew) {
  return post(path, { request: toBase64(await signed(keys, action, args, Math.floor(Date.now() / 1000 + skew))) });
}

async function post(path, content) {
  const answer = await fetch(path, {
    method: "POST", credentials: "omit", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content),
  });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, body);
  return { body, skew: skewOf(answer) };
}

function skewOf(answer) {
  const theirs = Date.parse(answer.headers.get("Date") ?? "");
  // Under two seconds it is the way of the answer and the rounding of the header, not the clock.
  const skew = Number.isNaN(theirs) ? 0 : (theirs - Date.now()) / 1000;
  return Math.abs(skew) < 2 ? 0 : Math.round(skew);
}

export async function enrol(keys, ticket, pin, skew) {
  return ask("/api/v1/devices", keys, "enrol", [ticket, pin, await publicKeyOf(keys)], skew);
}

export const renew = (wallet) => ask("/api/v1/devices/code", wallet.keys, "renew", [wallet.deviceId], wallet.skew);
export const heldExtracts = (wallet) => ask("/api/v1/devices/extracts", wallet.keys, "extracts", [wallet.deviceId], wallet.skew);
export const uses = (wallet) => ask("/api/v1/devices/uses", wallet.keys, "uses", [wallet.deviceId], wallet.skew);

// Eight digits for the code that this text shows at this moment, {number, expires_at}: to be said where nothing scans.
export const fallbackNumber = async (text) => (await post("/api/v1/fallbacks", { text })).body;

// What this phone's key was delegated, and what it may sign; both answer the same.
export async function delegationsOf(keys, skew) {
  return ask("/api/v1/devices/delegations", keys, "delegations", [await publicKeyOf(keys)], skew);
}

export async function signDelegation(keys, id, signature, skew) {
  return ask("/api/v1/devices/delegations/signature", keys, "sign-delegation", [await publicKeyOf(keys), id, signature], skew);
}
