// Delegated codes (企业授权码): judged in the steps and with the reasons of verifier/delegated_code.py, and shown by a phone.

import { equal, fromHex } from "./bytes.js";
import * as cbor from "./cbor.js";
import { CLOCK_SKEW, MAX_BYTES, POLICY, checkStatus, checkTimes, claimsOf } from "./code.js";
import * as cose from "./cose.js";
import { MAX_LINKS, anchorOf, checkLink, openLink, reachOf, time } from "./delegation.js";
import { VerificationError, malformed, outOfForce, outOfTime, wrongSignature } from "./errors.js";
import { examineFreshness } from "./freshness.js";
import * as payload from "./payload.js";
import { KID_BYTES, kidOf } from "./suites.js";
import { Examination } from "./verdict.js";

export const DELEGATED_POLICY = { ...POLICY, required: [...POLICY.required, "delegation"] };
// How long a phone's proof lasts, and the longest that is believed, in seconds.
export const PROOF_LASTS = 60;

const MAX_PROOF_LASTS = 300, ENTERPRISE = 65002, HEAD_CHARS = 48;
const TYPE = Uint8Array.of(cose.TYP, ...cbor.head(0, cose.DELEGATED_CODE));

// Whether a text says it is a delegated code, to choose how to read it: tag, array, and the header that ends with the type.
export function isDelegated(text) {
  if (!payload.isCode(text)) return false;
  let bytes;
  try {
    bytes = payload.decode(text.slice(0, payload.PREFIX.length + HEAD_CHARS));
  } catch {
    return false;
  }
  const header = bytes.length > 3 ? bytes.subarray(3, 3 + (bytes[2] & 31)) : bytes.subarray(0, 0);
  return header.length >= TYPE.length && equal(header.subarray(header.length - TYPE.length), TYPE);
}

// {message, issuedAt, expiresAt, inner, enterprise (claims), kid, links}; nothing is verified yet.
export async function openDelegated(text) {
  const message = cose.open1(payload.decode(text), MAX_BYTES), body = cose.requireTyped(message, cose.DELEGATED_CODE);
  const parts = cbor.requireList(cbor.decode(body, MAX_BYTES), 5, 5), issued = cbor.requireUint(parts[3]), lasts = cbor.requireUint(parts[4]);
  const inner = cose.open1(cbor.requireBytes(parts[0]), MAX_BYTES);
  const enterprise = claimsOf("enterprise", cose.requireTyped(inner, ENTERPRISE));
  if (enterprise.subject === null) throw malformed("wrong_field");
  const code = { message, inner, enterprise, issuedAt: time(issued), expiresAt: time(issued + lasts), links: [] };
  code.kid = cbor.requireBytes(parts[1], KID_BYTES);
  for (const item of cbor.requireList(parts[2], MAX_LINKS, 1)) code.links.push(await openLink(item));
  return code;
}

// {verdict, claims}: believe the claims only if the verdict is valid. Never throws for any text.
export async function examineDelegated(text, trust, at, policy = DELEGATED_POLICY) {
  const exam = new Examination(at);
  await examineFreshness(exam, trust, policy.maxTrustAge);
  const code = await exam.run("format", () => openDelegated(text));
  if (!code) return { verdict: exam.conclude(policy), claims: null };
  await exam.run("kind", () => {});
  const links = code.links.map((link) => link.claims), reach = await exam.run("delegation", () => reachOf(links));
  const keys = await exam.run("issuer", () => [
    trust.key(cose.kidOf(code.inner), "code:enterprise", code.enterprise.issuedAt), trust.key(code.kid, "delegation", links[0].issuedAt),
  ], trust.issuedAt);
  if (keys) await exam.run("signature", () => checkSignatures(code, ...keys));
  await exam.run("validity", () => checkPeriods(code, links, at));
  await exam.run("status", () => checkStatuses(code, links, trust), trust.issuedAt);
  const { name, subject } = code.enterprise;
  const claims = { kind: "delegated", name: name ?? subject, subject, links, reach, issuedAt: code.issuedAt, expiresAt: code.expiresAt };
  return { verdict: exam.conclude(policy, claims), claims };
}

async function checkSignatures(code, enterprise, first) {
  await cose.check(code.inner, enterprise);
  let signer = first, external = new TextEncoder().encode(code.enterprise.subject);
  for (const link of code.links) {
    await checkLink(link, signer, external);
    signer = link.claims.key;
    external = await anchorOf(link);
  }
  if (!equal(cose.kidOf(code.message), await kidOf(signer.suite, signer.raw))) throw wrongSignature("proof_not_by_delegate");
  try {
    await cose.check(code.message, signer);
  } catch (error) {
    throw error instanceof VerificationError && error.state === "invalid" && error.check === "signature"
      ? wrongSignature("proof_not_by_delegate") : error;
  }
}

function checkPeriods(code, links, at) {
  if (at < code.issuedAt - CLOCK_SKEW) throw outOfTime("not_yet_valid");
  if (code.expiresAt - code.issuedAt > MAX_PROOF_LASTS) throw new VerificationError("invalid", "validity", "proof_lasts_too_long");
  if (at >= code.expiresAt) throw outOfTime("proof_expired");
  checkTimes(code.enterprise, at);
  for (const link of links) {
    if (at < link.beginsAt) throw outOfTime("delegation_not_yet_valid");
    if (at >= link.endsAt) throw outOfTime("delegation_expired");
  }
}

function checkStatuses(code, links, trust) {
  checkStatus(code.enterprise, trust);
  for (const link of links) {
    const state = trust.status(link.statusList, link.statusIndex);
    if (state !== "valid") throw outOfForce(`delegation_${state}`);
  }
}

// The text that the last delegate's phone shows at a time in seconds. chain: {enterprise, kid, links: [[payload, signature], …]}.
export async function showDelegated(chain, keys, at) {
  const body = [chain.enterprise, chain.kid, chain.links, at, PROOF_LASTS];
  return payload.encode(await cose.sign1(cbor.encode(body), keys, cose.DELEGATED_CODE));
}

// The bytes of a chain as the registry gives it out, in hexadecimal (docs/formats.md).
export function chainOf(value) {
  const links = value.links.map((link) => [fromHex(link.payload), fromHex(link.signature)]);
  return { enterprise: payload.decode(value.enterprise), kid: fromHex(value.kid), links };
}
