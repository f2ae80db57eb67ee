// The delegated code on a delegate's phone: a key made here, its delegations taken from the registry, codes shown without
// a network, and delegations below signed.

import { equal, fromHex, toHex } from "../core/bytes.js";
import * as cbor from "../core/cbor.js";
import * as cose from "../core/cose.js";
import { chainOf, showDelegated } from "../core/delegated.js";
import { claimsOf } from "../core/delegation.js";
import { VerificationError, malformed } from "../core/errors.js";
import { ES256, kidOf, sign } from "../core/suites.js";
import * as store from "../core/store.js";
import { language, onLanguage, watchLanguage } from "../language.js";
import { watchPrint } from "../print.js";
import { Refused, delegationsOf, makeKey, publicKeyOf, signDelegation, wordsOf as wordsOfRegistry } from "./registry.js";
import { choiceOf, drawing, keepAwake, moment, part, put, show, showAge, showLine, showRest, texts } from "./screen.js";

// A code is shown anew every half minute; the registry is asked again after so many seconds.
const WINDOW = 30, ASK_WAITING = 10, ASK_READY = 120, FRESH = 600, NAME = "delegate", MAX_SIGNED_BYTES = 2048;

let phone = null, drawCode = null, shownAt = 0, askedAt = 0, asking = null, linked = "";

const now = () => Date.now() / 1000 + (phone?.skew ?? 0);
const seconds = (text) => Date.parse(text) / 1000;

// ---- What the page shows ------------------------------------------------------------------------------------------

// live, awaiting, revoked, suspended, no_code as the registry said; expired, early by the phone's clock.
function stateOf(item) {
  if (item.state !== "live") return item.state;
  return now() >= item.endsAt ? "expired" : now() < item.beginsAt ? "early" : "live";
}

const chosen = () => phone.items.find((item) => item.id === phone.chosen) ?? null;
const pageState = () => (!phone ? "none" : !phone.items.length ? "waiting" : stateOf(chosen()) === "live" ? "ready" : "dead");

function showPhone() {
  show(pageState());
  part("key-box").hidden = !phone;
  // An earlier version of this page kept them without what their bytes say; the next answer brings it.
  const toSign = phone?.toSign.filter((one) => one.link) ?? [];
  part("sign-card").hidden = !toSign.length;
  if (!phone) return;
  put("key", phone.key);
  part("key-box").open = !phone.items.length;
  part("held-card").hidden = !phone.items.length;
  part("held").replaceChildren(...phone.items.map((item) =>
    choiceOf("held", item.id, headOf(item), saidOf(item), item.id === phone.chosen, choose)));
  part("to-sign").replaceChildren(...toSign.map(signLine));
  const item = chosen();
  if (!item) return;
  put("shown-name", language() === "zh" ? item.words : headOf(item));
  put("dead-title", () => texts.states[stateOf(item)] ?? "");
  put("dead-reason", () => (item.state === "revoked" ? item.reason ?? "" : texts.dead[stateOf(item)] ?? ""));
  showAge(now() - phone.renewedAt, FRESH);
}

const headOf = (item) => `${item.enterprise} · ${texts.roles[item.role]}`;
const saidOf = (item) => (stateOf(item) === "live" ? texts.until.replace("{at}", moment(item.endsAt)) : texts.states[stateOf(item)]);

// The registry says it in Chinese; what the bytes say is said in the page's language.
function signLine({ id, words, link }) {
  const item = document.createElement("li"), button = document.createElement("button");
  Object.assign(button, { type: "button", className: "button button-main", textContent: texts.sign });
  button.addEventListener("click", () => signing(id, button));
  item.append(Object.assign(document.createElement("b"), { textContent: words, lang: "zh-CN" }), Object.assign(document.createElement("span"), { textContent: describe(link) }), button);
  return item;
}

async function choose(id) {
  phone.chosen = id;
  await store.put(NAME, phone);
  shownAt = 0;
  showPhone();
  await tick();
}

// ---- The code, anew every half minute -----------------------------------------------------------------------------

async function showCode(item) {
  // Set before the key signs: the next tick must not begin a second one.
  const at = (shownAt = Math.floor(now())), text = await showDelegated(chainOf(item.chain), phone.keys, at);
  drawCode(part("code"), text);
  // For tests and for readers without a camera: what the QR holds.
  part("code").dataset.text = text;
}

async function tick() {
  if (pageState() !== document.body.dataset.state) showPhone();
  if (!phone || document.hidden) return;
  const isWaiting = !phone.items.length || phone.items.some((item) => item.state === "awaiting");
  if (navigator.onLine && now() - askedAt > (isWaiting ? ASK_WAITING : ASK_READY)) refresh(false);
  if (document.body.dataset.state !== "ready" || !drawCode) return;
  const left = WINDOW - (now() - shownAt);
  if (left <= 0 || left > WINDOW + 1) await showCode(chosen());
  showRest(Math.max(0, WINDOW - (now() - shownAt)), WINDOW);
  showAge(now() - phone.renewedAt, FRESH);
}

// ---- The key and the registry -------------------------------------------------------------------------------------

async function begin() {
  const keys = await makeKey();
  // In capitals, which a QR holds in fewer modules.
  phone = { keys, key: `ES256:${toHex(await publicKeyOf(keys)).toUpperCase()}`, items: [], toSign: [], chosen: null, skew: 0, renewedAt: 0 };
  await store.put(NAME, phone);
  navigator.storage?.persist?.();
  showLine("");
  showPhone();
  drawKey();
}

function drawKey() {
  if (phone && drawCode && part("key-box").open) drawCode(part("key-code"), phone.key);
}

async function keep({ body, skew }) {
  const items = body.items.map((item) => ({ ...item, beginsAt: seconds(item.begins_at), endsAt: seconds(item.ends_at) }));
  const toSign = [];
  for (const one of body.to_sign) toSign.push({ ...one, link: await linkIn(fromHex(one.to_be_signed)) });
  phone = { ...phone, skew, items, toSign, renewedAt: Date.now() / 1000 + skew };
  // What just came by a link is shown; else what was chosen, else the newest that holds.
  const wanted = items.find((item) => item.id === linked) ?? chosen() ?? items.find((item) => stateOf(item) === "live") ?? items[0];
  if (linked && items.length && wanted.id !== linked) showLine(() => texts.notForThis, "bad");
  phone.chosen = wanted?.id ?? null;
  linked = "";
  await store.put(NAME, phone);
}

// One question at a time; who presses the button gets an answer that is newer than the press.
async function refresh(isAsked) {
  if (!phone || (asking && !isAsked)) return;
  await asking;
  asking = update(isAsked).finally(() => { asking = null; });
  await asking;
}

async function update(isAsked) {
  askedAt = now();
  try {
    const before = phone.items.length;
    await keep(await delegationsOf(phone.keys, phone.skew));
    if (isAsked) showLine(phone.items.length ? () => texts.refreshed : () => texts.notYet, phone.items.length ? "good" : "");
    else if (!before && phone.items.length) showLine("");
    shownAt = 0;
  } catch (error) {
    const words = wordsOf(error);
    if (isAsked) showLine(words, "bad");
  }
  showPhone();
}

// What went wrong as people read it; throws what is a fault of this page.
function wordsOf(error) {
  if (error instanceof VerificationError) return () => texts.notALink;
  if (error instanceof Refused || error instanceof TypeError) return wordsOfRegistry(error, texts);
  throw error;
}

// What the bytes say that are to be signed: only a link under this phone's key is, whatever the server calls it.
async function linkIn(bytes) {
  const [context, header, , payload] = cbor.requireList(cbor.decode(bytes, MAX_SIGNED_BYTES), 4, 4);
  const ours = cose.protectedOf(ES256, await kidOf(ES256, await publicKeyOf(phone.keys)), cose.DELEGATION);
  if (context !== "Signature1" || !equal(cbor.requireBytes(header), ours)) throw malformed("not_a_link");
  return claimsOf(cbor.requireBytes(payload));
}

function describe({ role, matters, types, endsAt }) {
  return [texts.roles[role], texts.until.replace("{at}", moment(endsAt)), ...(matters ?? []), ...(types ?? [])].join(" · ");
}

async function signing(id, button) {
  button.disabled = true;
  try {
    const bytes = fromHex(phone.toSign.find((one) => one.id === id).to_be_signed);
    await linkIn(bytes);
    await keep(await signDelegation(phone.keys, id, await sign(phone.keys.privateKey, bytes), phone.skew));
    showLine(() => texts.signed, "good");
  } catch (error) {
    showLine(wordsOf(error), "bad");
  }
  showPhone();
}

async function leave() {
  if (!window.confirm(texts.sureToRemove)) return;
  await store.remove(NAME);
  phone = null;
  showPhone();
}

// The delegation's number behind the # of the link: taken out of the address bar at once.
function takeLink() {
  linked = window.location.hash.slice(1);
  if (linked) history.replaceState(null, "", window.location.pathname);
  if (!linked) return;
  if (phone) refresh(true);
  else showLine(() => texts.notForThis, "bad");
}

async function start() {
  watchPrint(part("print"), () => { shownAt = 0; });
  watchLanguage(part("language"));
  onLanguage(() => document.body.dataset.state !== "loading" && showPhone());
  part("begin").addEventListener("click", begin);
  part("key-box").addEventListener("toggle", drawKey);
  for (const button of document.querySelectorAll("[data-refresh]")) button.addEventListener("click", () => refresh(true));
  for (const button of document.querySelectorAll("[data-remove]")) button.addEventListener("click", leave);
  part("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText(phone.key);
    showLine(() => texts.copied, "good");
  });
  document.addEventListener("visibilitychange", () => {
    shownAt = 0;
    keepAwake();
  });
  drawCode = await drawing();
  phone = (await store.get(NAME)) ?? null;
  askedAt = phone?.renewedAt ?? 0;
  window.addEventListener("hashchange", takeLink);
  showPhone();
  drawKey();
  takeLink();
  await keepAwake();
  await tick();
  setInterval(tick, 1000);
  document.documentElement.dataset.script = "on";
  navigator.serviceWorker?.register("/sw.js", { scope: "/" });
}

start();
