// Root documents (verifier/root.py): offline root keys, and whom they let publish trust bundles.

import { malformed, staleTrust, wrongSignature } from "./errors.js";
import { canonicalise, checkThreshold, groupOf, seconds } from "./multisigned.js";

const CONTEXT = "suizheng/root/1\0", FORMAT = "suizheng-root/1", MAX_CHAIN = 64;

// The root documents of a bundle's content, each held by its own keys and by those before it, the newest of which names
// who holds the bundle. Empty where the bundle's keys vouch for themselves.
export async function rootChain(content) {
  const listed = content.root_chain ?? [];
  if (!Array.isArray(listed)) throw malformed("wrong_fields");
  if (listed.length > MAX_CHAIN) throw wrongSignature("root_does_not_follow");
  const chain = [];
  for (const one of listed) {
    const document = await open(one);
    await check(document, chain.at(-1));
    chain.push(document);
  }
  const newest = chain.at(-1)?.signed;
  if (newest && (newest.registry !== content.registry || canonicalise(newest.publishers) !== canonicalise(content.roots)))
    throw wrongSignature("not_the_publishers");
  return chain;
}

// Throws unless the checked chain leads on from the document that is believed already.
export async function follow(known, chain) {
  const { version } = known.signed;
  if (!chain.length) throw wrongSignature("root_missing");
  if (chain.at(-1).signed.version < version) throw staleTrust("root_rolled_back");
  for (const document of chain) {
    if (document.signed.version === version) {
      if (document.text !== known.text) throw wrongSignature("other_root");
      return;
    }
    if (document.signed.version === version + 1) return check(document, known);
  }
  throw wrongSignature("root_does_not_follow");
}

async function open(value) {
  const { signed, signatures } = value ?? {};
  if (!signed || typeof signed !== "object" || !Array.isArray(signatures)) throw malformed("not_multisigned");
  if (signed.format !== FORMAT || typeof signed.registry !== "string") throw malformed("unknown_version");
  if (!Number.isSafeInteger(signed.version) || signed.version < 1) throw malformed("wrong_fields");
  const text = canonicalise(signed), message = new TextEncoder().encode(CONTEXT + text);
  const roots = await groupOf(signed.roots), publishers = await groupOf(signed.publishers);
  for (const kid of publishers.keys.keys()) if (roots.keys.has(kid)) throw malformed("root_key_publishes");
  return { signed, signatures, text, message, roots, expiresAt: seconds(signed.expires_at) };
}

async function check(document, before) {
  if (before) {
    const follows = document.signed.version === before.signed.version + 1;
    if (!follows || document.signed.registry !== before.signed.registry) throw wrongSignature("root_does_not_follow");
    await checkThreshold(before.roots, document.message, document.signatures);
  }
  await checkThreshold(document.roots, document.message, document.signatures);
}
