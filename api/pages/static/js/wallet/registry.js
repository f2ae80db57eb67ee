// What the phone asks of the registry: requests signed by its key (verifier/device_request.py).

import { join, toBase64 } from "../core/bytes.js";
import * as cbor from "../core/cbor.js";
import * as cose from "../core/cose.js";
import { ES256, compressed, kidOf, sign } from "../core/suites.js";

const TYPE = "application/vnd.suizheng.device-request";
const ACTION = 1, MADE_AT = 2, ARGUMENTS = 3;

// A fresh key of P-256, which every browser has; its private half can never leave the browser.
export function makeKey() {
  return crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
}

export const publicKeyOf = (keys) => compressed(keys.publicKey);

async function signed(keys, action, args, at) {
  const header = cose.protectedOf(ES256, await kidOf(ES256, await publicKeyOf(keys)), TYPE);
  const payload = cbor.encode(new Map([[ACTION, action], [MADE_AT, at], [ARGUMENTS, args]]));
  const signature = await sign(keys.privateKey, cose.toBeSigned(header, payload));
  return join(
    Uint8Array.of(0xd2, 0x84), cbor.byteString(header), Uint8Array.of(0xa0), cbor.byteString(payload), cbor.byteString(signature),
  );
}

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? "");
    this.status = status;
    this.reason = problem.reason ?? "";
  }
}

// {body, skew}: the answer, and by how many seconds the server's clock is ahead of ours. Throws Refused, or TypeError
// where there is no network.
async function ask(path, keys, action, args, skew) {
  const request = toBase64(await signed(keys, action, args, Math.floor(Date.now() / 1000 + skew)));
  const answer = await fetch(path, {
    method: "POST", credentials: "omit", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ request }),
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
export const uses = (wallet) => ask("/api/v1/devices/uses", wallet.keys, "uses", [wallet.deviceId], wallet.skew);
